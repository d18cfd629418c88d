// The shapes of docs/protocol.md that pages read and write over HTTP: those generated from the server's own
// (generated/wire.ts) under the names the pages use, and the few bodies that exist only on the way in.

import type {
  BrandOrder, Buyer, CardBag, CardLife, CardNumbers, Click, Image, LedgerEntry, OrderLife, ProductInput, Refund, RoomCreated,
  RoomLife, ShowRef,
} from "../generated/wire.js";

export type {
  Account, AppManifest, BrandOrder, Buyer, Card, DemoHint, ImportProblem, ImportResult, LedgerEntry, Me, Money, Numbers, Order,
  OrderLine, OrderPage, OrderPayment, PaymentStatus, Presentation, Product, ProductInput, ProductPage, PublishToken, Refund, Role,
  Room, SandboxPayment, SellerRef, ShopProduct,
} from "../generated/wire.js";

export type RoomPhase = RoomLife;
export type Show = ShowRef;
export type CreatedRoom = RoomCreated;
export type ProductNumbers = CardNumbers;
export type StoredImage = Image;
export type CardState = CardLife;
export type CardAction = "pin" | "explain" | "unpin" | "hide" | "list";
export type Bag = CardBag;
export type OpenedClick = Click;
export type OrderState = OrderLife;

export interface RoomInput {
  readonly title: string;
  readonly description?: string;
  readonly poster?: string | null;
  readonly starts_ms?: number | null;
  readonly currency?: string;
  readonly listed?: boolean;
  readonly test?: boolean;
}

/** Only the fields that change; null empties an optional one. */
export type ProductPatch = { readonly [K in keyof ProductInput]?: ProductInput[K] | null };

/** The single-order answer. */
export interface BrandOrderDetail extends BrandOrder {
  readonly refunds: Refund[];
  readonly ledger: LedgerEntry[];
}

export interface OrderQuery {
  readonly room?: string | undefined;
  readonly state?: string | undefined;
  readonly after?: string | undefined;
}

export interface RefundInput {
  readonly amount?: string;
  readonly reason?: string;
}

export interface OrderInput {
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  readonly buyer: Buyer;
}

export type TestCard = "visa" | "mastercard" | "declined" | "no_funds" | "expired" | "three_d_secure";
