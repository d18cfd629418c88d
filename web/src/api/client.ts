// Every HTTP route of docs/protocol.md as one typed function, in the protocol's order.
// Knows no page; throws ApiError.

import type { Report } from "./report.js";
import { callEmpty, callJson, withQuery } from "./http.js";
import type * as t from "./types.js";

const seg = encodeURIComponent;
const room = (id: string): string => `/api/rooms/${seg(id)}`;

export const auth = {
  signIn: (email: string, password: string): Promise<{ readonly account: t.Account }> =>
    callJson("/api/auth/sign-in", { method: "POST", json: { email, password } }),
  signOut: (): Promise<void> => callEmpty("/api/auth/sign-out", { method: "POST" }),
  me: (): Promise<t.Me> => callJson("/api/me"),
};

export const rooms = {
  hub: (): Promise<{
    readonly live: readonly t.Room[];
    readonly upcoming: readonly t.Room[];
    readonly past: readonly t.Room[];
  }> => callJson("/api/rooms"),
  get: (id: string): Promise<t.Room> => callJson(room(id)),
  mine: async (): Promise<readonly t.Room[]> =>
    (await callJson<{ readonly rooms: readonly t.Room[] }>("/api/studio/rooms")).rooms,
  create: (input: t.RoomInput): Promise<t.CreatedRoom> => callJson("/api/rooms", { method: "POST", json: input }),
  change: (id: string, input: Partial<t.RoomInput>): Promise<t.Room> =>
    callJson(room(id), { method: "PATCH", json: input }),
  newStreamKey: (id: string): Promise<{ readonly stream_key: string }> =>
    callJson(`${room(id)}/stream-key`, { method: "POST" }),
  publishToken: (id: string): Promise<t.PublishToken> => callJson(`${room(id)}/publish-token`, { method: "POST" }),
  end: (id: string): Promise<t.Room> => callJson(`${room(id)}/end`, { method: "POST" }),
  numbers: (id: string): Promise<t.Numbers> => callJson(`${room(id)}/numbers`),
};

const PICTURE_TIMEOUT_MS = 60_000;
const IMPORT_TIMEOUT_MS = 120_000;

export const pool = {
  list: (query: { readonly q?: string; readonly after?: string; readonly limit?: number }): Promise<t.ProductPage> =>
    callJson(withQuery("/api/pool/products", { q: query.q, after: query.after, limit: query.limit })),
  create: (input: t.ProductInput): Promise<t.Product> =>
    callJson("/api/pool/products", { method: "POST", json: input }),
  change: (id: string, input: t.ProductPatch): Promise<t.Product> =>
    callJson(`/api/pool/products/${seg(id)}`, { method: "PATCH", json: input }),
  remove: (id: string): Promise<void> => callEmpty(`/api/pool/products/${seg(id)}`, { method: "DELETE" }),
  uploadImage: (file: Blob): Promise<t.StoredImage> => {
    const body = new FormData();
    body.set("image", file);
    return callJson("/api/pool/images", { method: "POST", body, timeoutMs: PICTURE_TIMEOUT_MS });
  },
  fetchImage: (url: string): Promise<t.StoredImage> =>
    callJson("/api/pool/images", { method: "POST", json: { url }, timeoutMs: PICTURE_TIMEOUT_MS }),
  importCsv: (csv: Blob | string, mode: "preview" | "commit"): Promise<t.ImportResult> =>
    callJson(withQuery("/api/pool/import", { mode }), {
      method: "POST",
      body: csv,
      type: "text/csv",
      timeoutMs: IMPORT_TIMEOUT_MS,
    }),
};

const card = (roomId: string, cardId: string): string => `${room(roomId)}/cards/${seg(cardId)}`;

export const cards = {
  bag: (roomId: string): Promise<t.Bag> => callJson(`${room(roomId)}/cards`),
  add: (roomId: string, product: string, price?: string): Promise<t.Card> =>
    callJson(`${room(roomId)}/cards`, { method: "POST", json: price === undefined ? { product } : { product, price } }),
  /** `null` takes the room price away again. */
  setPrice: (roomId: string, cardId: string, price: string | null): Promise<t.Card> =>
    callJson(card(roomId, cardId), { method: "PATCH", json: { price } }),
  remove: (roomId: string, cardId: string): Promise<void> => callEmpty(card(roomId, cardId), { method: "DELETE" }),
  act: (roomId: string, cardId: string, action: t.CardAction): Promise<t.Card> =>
    callJson(`${card(roomId, cardId)}/${action}`, { method: "POST" }),
  reorder: (roomId: string, order: readonly string[]): Promise<t.Bag> =>
    callJson(`${room(roomId)}/run-sheet`, { method: "PUT", json: { cards: order } }),
  click: (roomId: string, cardId: string, showing?: string): Promise<t.OpenedClick> =>
    callJson(`${card(roomId, cardId)}/click`, { method: "POST", json: showing === undefined ? {} : { showing } }),
};

/** The mini-app's own calls: `link` is the path and query of the signed click link, unchanged. */
export const shop = {
  product: (app: string, link: string): Promise<t.ShopProduct> =>
    callJson(`/api/shop/${seg(app)}/product`, { headers: { "x-click": link } }),
  place: (app: string, link: string, order: t.OrderInput, idempotencyKey: string): Promise<t.Order> =>
    callJson(`/api/shop/${seg(app)}/orders`, {
      method: "POST",
      json: order,
      headers: { "x-click": link },
      idempotencyKey,
    }),
  order: (app: string, link: string, id: string): Promise<t.Order> =>
    callJson(`/api/shop/${seg(app)}/orders/${seg(id)}`, { headers: { "x-click": link } }),
};

export const payments = {
  present: (tradeNo: string): Promise<t.Presentation> =>
    callJson(`/api/payments/${seg(tradeNo)}/present`, { method: "POST" }),
  status: (tradeNo: string): Promise<t.PaymentStatus> => callJson(`/api/payments/${seg(tradeNo)}`),
};

const sandbox = (ref: string): string => `/api/sandbox-pay/${seg(ref)}`;

export const sandboxPay = {
  get: (ref: string): Promise<t.SandboxPayment> => callJson(sandbox(ref)),
  confirm: (ref: string, testCard: t.TestCard): Promise<t.SandboxPayment> =>
    callJson(`${sandbox(ref)}/confirm`, { method: "POST", json: { test_card: testCard } }),
  challenge: (ref: string, approve: boolean): Promise<t.SandboxPayment> =>
    callJson(`${sandbox(ref)}/challenge`, { method: "POST", json: { approve } }),
  cancel: (ref: string): Promise<t.SandboxPayment> => callJson(`${sandbox(ref)}/cancel`, { method: "POST" }),
};

const order = (id: string): string => `/api/orders/${seg(id)}`;

export const orders = {
  list: (query: t.OrderQuery): Promise<t.OrderPage> =>
    callJson(withQuery("/api/orders", { room: query.room, state: query.state, after: query.after })),
  get: (id: string): Promise<t.BrandOrderDetail> => callJson(order(id)),
  refund: (id: string, input: t.RefundInput, idempotencyKey: string): Promise<t.Order> =>
    callJson(`${order(id)}/refunds`, { method: "POST", json: input, idempotencyKey }),
  fulfil: (id: string): Promise<t.Order> => callJson(`${order(id)}/fulfil`, { method: "POST" }),
  cancel: (id: string): Promise<t.Order> => callJson(`${order(id)}/cancel`, { method: "POST" }),
};

const REPORT_TIMEOUT_MS = 60_000;

export const reports = {
  get: (roomId: string, show?: string): Promise<Report> =>
    callJson(withQuery(`${room(roomId)}/report`, { show }), { timeoutMs: REPORT_TIMEOUT_MS }),
  csvUrl: (roomId: string, show?: string): string => withQuery(`${room(roomId)}/report.csv`, { show }),
  jsonUrl: (roomId: string, show?: string): string => withQuery(`${room(roomId)}/report`, { show }),
};
