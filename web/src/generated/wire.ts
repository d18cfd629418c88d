// Everything on the wire as docs/protocol.md says it, generated from streamserver/wire.py and wire_shapes.py.
// Do not edit: run `python -m streamserver wire-types --write web/src/generated/wire.ts`.

/** [epoch, offset] */
export type Position = [string, number];

export type CardLife = "explaining" | "hidden" | "listed" | "pinned";

export type OrderLife = "cancelled" | "fulfilled" | "paid" | "partly_refunded" | "placed" | "refunded";

export type PaymentLife = "canceled" | "processing" | "requires_action" | "requires_confirmation" | "requires_payment_method" | "succeeded";

export type Role = "brand" | "influencer" | "moderator" | "operator" | "viewer";

export type RoomLife = "ended" | "interrupted" | "live" | "scheduled";

export type Via = "hls" | "webrtc";

export type ModerateAction = "ban" | "delete" | "mute" | "pin" | "unban" | "unmute" | "unpin";

export type Purpose = "loadtest" | "studio" | "view";

/** The body of every HTTP error (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  where?: string;
  request_id?: string;
}

/** An amount in integer minor units of an ISO 4217 currency. */
export interface Money {
  minor: number;
  currency: string;
}

export interface SellerRef {
  id: string;
  name: string;
}

export interface Account {
  id: string;
  email: string;
  name: string;
  role: Role;
  seller: SellerRef | null;
}

export interface DemoHint {
  email: string;
  password: string;
  room: string;
}

export interface Me {
  account: Account | null;
  viewer_name: string | null;
  demo: DemoHint | null;
}

export interface SignIn {
  email: string;
  password: string;
}

export interface SignedIn {
  account: Account;
}

export interface ShowRef {
  id: string;
  started_ms: number;
  ended_ms: number | null;
}

export interface Room {
  id: string;
  title: string;
  description: string;
  state: RoomLife;
  seller: SellerRef;
  poster: string | null;
  starts_ms: number | null;
  show: ShowRef | null;
  viewers: number;
  currency: string;
  whep_url: string;
  ws_url: string;
  listed: boolean;
  test: boolean;
}

/** `GET /api/rooms`. */
export interface Hub {
  live: Room[];
  upcoming: Room[];
  past: Room[];
}

export interface StudioRooms {
  rooms: Room[];
}

export interface RoomCreated {
  room: Room;
  stream_key: string;
}

export interface StreamKey {
  stream_key: string;
}

export interface PublishToken {
  token: string;
  expires_ms: number;
  whip_url: string;
}

/** What a member has to know of the room itself; `show` is the id of the current or last show. */
export interface RoomState {
  id: string;
  title: string;
  state: RoomLife;
  show: string | null;
  started_ms: number | null;
}

export interface Product {
  id: string;
  sku: string;
  title: string;
  description: string;
  price: Money;
  sale_price: Money | null;
  stock: number;
  image: string | null;
  brand: string | null;
  condition: string | null;
  color: string | null;
  size: string | null;
  commission_bp: number;
  link: string | null;
  updated_ms: number;
}

export interface ProductPage {
  products: Product[];
  next: string | null;
}

export interface Image {
  image: string;
  width: number;
  height: number;
}

/** One refused row of an import; `row` counts from 1 below the header. */
export interface ImportProblem {
  row: number;
  column: string;
  code: string;
  message: string;
}

/** A product as sellers write it: Google product feed names, money as `12.00 USD`. */
export interface ProductInput {
  id: string;
  title: string;
  price: string;
  stock: number;
  description?: string;
  sale_price?: string | null;
  sale_price_effective_date?: string | null;
  image_link?: string | null;
  link?: string | null;
  brand?: string | null;
  gtin?: string | null;
  mpn?: string | null;
  condition?: string | null;
  item_group_id?: string | null;
  color?: string | null;
  size?: string | null;
  commission?: string | null;
}

export interface ImportResult {
  rows: number;
  valid: number;
  created: number;
  updated: number;
  errors: ImportProblem[];
  sample: ProductInput[];
}

export interface Card {
  id: string;
  product: string;
  sku: string;
  title: string;
  image: string | null;
  price: Money;
  was: Money | null;
  stock: number;
  state: CardLife;
  showing: string | null;
  position: number;
  ver: number;
}

/** `GET /api/rooms/{room}/cards`. */
export interface CardBag {
  ver: number;
  cards: Card[];
}

/** The whole bag as a joiner gets it: latest `ver` wins. */
export interface CardState {
  ver: number;
  pinned: string | null;
  cards: Card[];
}

export interface AppIcon {
  src: string;
  sizes: string;
}

/** Members of the W3C MiniApp Manifest that the host page needs. */
export interface AppManifest {
  app_id: string;
  name: string;
  short_name: string;
  description: string;
  version: string;
  icons: AppIcon[];
  pages: string[];
  req_permissions: string[];
}

/** `POST …/click`: `url` is the signed link. */
export interface Click {
  click: string;
  url: string;
  app: AppManifest;
}

export interface RoomRef {
  id: string;
  title: string;
}

export interface ShopProduct {
  product: Product;
  card: Card | null;
  room: RoomRef;
  seller: SellerRef;
  price: Money;
  stock: number;
}

export interface OrderLine {
  sku: string;
  title: string;
  quantity: number;
  unit_price: Money;
  total: Money;
}

export interface OrderPayment {
  state: PaymentLife;
  failure: string | null;
}

export interface Order {
  id: string;
  state: OrderLife;
  lines: OrderLine[];
  subtotal: Money;
  discount: Money;
  shipping: Money;
  tax: Money;
  total: Money;
  refunded: Money;
  trade_no: string;
  payment: OrderPayment;
  placed_ms: number;
  paid_ms: number | null;
  expires_ms: number;
}

export interface Buyer {
  name: string;
  email: string;
  address?: string | null;
}

export interface Refund {
  id: string;
  amount: Money;
  reason: string | null;
  at_ms: number;
}

export interface LedgerEntry {
  transaction: string;
  ledger_account: string;
  amount: Money;
  at_ms: number;
}

/** An order as the brand sees it; `refunds` and `ledger` only in the single-order answer. */
export interface BrandOrder {
  id: string;
  state: OrderLife;
  lines: OrderLine[];
  subtotal: Money;
  discount: Money;
  shipping: Money;
  tax: Money;
  total: Money;
  refunded: Money;
  trade_no: string;
  payment: OrderPayment;
  placed_ms: number;
  paid_ms: number | null;
  expires_ms: number;
  room: string;
  viewer: string;
  buyer: Buyer;
  refunds?: Refund[];
  ledger?: LedgerEntry[];
}

export interface OrderPage {
  orders: BrandOrder[];
  next: string | null;
}

export interface Presentation {
  presentation: "embed" | "redirect";
  url: string;
}

/** `result` is the number `my.tradePay` answers with. */
export interface PaymentStatus {
  trade_no: string;
  state: PaymentLife;
  result: 4000 | 6001 | 6004 | 8000 | 9000;
  failure: string | null;
  order: string;
}

export interface SandboxPayment {
  ref: string;
  state: PaymentLife;
  amount: Money;
  merchant: string;
  description: string;
  failure: string | null;
}

/** One chat line. Plain text: a page shows `name` and `text` with `textContent` only. */
export interface Line {
  id: string;
  viewer: string;
  name: string;
  role: Role;
  text: string;
  at_ms: number;
  reply_to?: string;
}

/** Somebody's paid order for the ticker; `name` is shortened and says nothing that identifies. */
export interface Bought {
  name: string;
  title: string;
  quantity: number;
  at_ms: number;
}

/** The whole state a joiner starts from: the last 50 chat lines, the pinned line, counts and cards. */
export interface State {
  chat: Line[];
  pinned_line: Line | null;
  likes: number;
  viewers: number;
  cards: CardState;
}

export interface CardNumbers {
  card: string;
  title: string;
  clicks: number;
  orders: number;
  gmv_paid: Money;
}

/** Live figures for staff. `gmv_minutes` pairs the minute's start (ms) with minor units paid in it. */
export interface Numbers {
  viewers: number;
  peak: number;
  likes: number;
  clicks: number;
  orders_placed: number;
  orders_paid: number;
  gmv_paid: Money;
  gmv_minutes: [number, number][];
  products: CardNumbers[];
}

/** What the server takes the member for. */
export interface You {
  viewer: string;
  name: string;
  role: Role;
  staff: boolean;
}

/** `pos` is where the following frames continue: of `state`, or the client's own when recovered. */
export interface WelcomeFrame {
  t: "welcome";
  v: number;
  room: RoomState;
  you: You;
  token: string;
  pos: Position;
  recovered: boolean;
  now_ms: number;
  state: State | null;
}

/** Apply `chat`, then `deleted`. `likes` and `viewers` are totals, so the latest one is enough. */
export interface TickFrame {
  t: "tick";
  pos?: Position;
  chat?: Line[];
  deleted?: string[];
  likes?: number;
  viewers?: number;
  bought?: Bought[];
}

export interface CardsFrame {
  t: "cards";
  pos?: Position;
  ver: number;
  pinned: string | null;
  cards: Card[];
  sync: "media" | "now";
  t_capture_ms?: number;
}

export interface RoomFrame {
  t: "room";
  pos?: Position;
  room: RoomState;
}

export interface PinnedLineFrame {
  t: "pinned_line";
  pos?: Position;
  line: Line | null;
}

/** Staff only; no position, the latest one is enough. `gmv_minutes`: [minute_ms, minor] pairs. */
export interface NumbersFrame {
  t: "numbers";
  viewers: number;
  peak: number;
  likes: number;
  clicks: number;
  orders_placed: number;
  orders_paid: number;
  gmv_paid: Money;
  gmv_minutes: [number, number][];
  products: CardNumbers[];
}

/** Only to the buying viewer. */
export interface OrderFrame {
  t: "order";
  order: string;
  state: OrderLife;
  trade_no: string;
}

export interface AckFrame {
  t: "ack";
  id: string;
  line?: string;
}

export interface RefusedFrame {
  t: "refused";
  code: string;
  detail: string;
  id?: string;
  where?: string;
  retry_ms?: number;
}

export interface PongFrame {
  t: "pong";
  id: string;
  now_ms: number;
}

export interface HelloFrame {
  t: "hello";
  v: number;
  pos?: Position | null;
  viewer?: string | null;
  name?: string | null;
  locale?: string | null;
  purpose?: Purpose;
}

export interface ChatFrame {
  t: "chat";
  id: string;
  text: string;
  reply_to?: string | null;
}

export interface NameFrame {
  t: "name";
  id: string;
  name: string;
}

export interface LikeFrame {
  t: "like";
  n: number;
}

export interface WatchFrame {
  t: "watch";
  playing: boolean;
  via: Via;
}

export interface ImpressionFrame {
  t: "impression";
  card: string;
  showing: string;
}

export interface ModerateFrame {
  t: "moderate";
  id: string;
  action: ModerateAction;
  line?: string | null;
  viewer?: string | null;
  seconds?: number | null;
}

export interface PingFrame {
  t: "ping";
  id: string;
}

export type AnyServerFrame =
  | WelcomeFrame
  | TickFrame
  | CardsFrame
  | RoomFrame
  | PinnedLineFrame
  | NumbersFrame
  | OrderFrame
  | AckFrame
  | RefusedFrame
  | PongFrame;

export type AnyClientFrame =
  | HelloFrame
  | ChatFrame
  | NameFrame
  | LikeFrame
  | WatchFrame
  | ImpressionFrame
  | ModerateFrame
  | PingFrame;

export type AnyRoomEvent =
  | TickFrame
  | CardsFrame
  | RoomFrame
  | PinnedLineFrame;

export const CLOSE = {
  slow: 4000,
  draining: 4001,
  no_pong: 4002,
  server_error: 4003,
  busy: 4004,
  history_lost: 4100,
  bad_frames: 4400,
  bad_token: 4401,
  banned: 4403,
  unknown_room: 4404,
  no_hello: 4408,
  too_large: 4413,
  version: 4426,
} as const;

export const VERSION = 1;
