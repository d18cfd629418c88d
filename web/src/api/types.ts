// The shapes of docs/protocol.md that the pages read and write over HTTP.
// Knows no transport and no page; frames of the realtime socket live in generated/wire.ts.

/** Integer minor units with an ISO 4217 code. */
export interface Money {
  readonly minor: number;
  readonly currency: string;
}

export type Role = "operator" | "brand" | "influencer" | "moderator" | "viewer";
export type RoomPhase = "scheduled" | "live" | "interrupted" | "ended";

export interface SellerRef {
  readonly id: string;
  readonly name: string;
}

export interface Account {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly seller: SellerRef | null;
}

export interface DemoHint {
  readonly email: string;
  readonly password: string;
  readonly room: string;
}

export interface Me {
  readonly account: Account | null;
  readonly viewer_name: string | null;
  readonly demo: DemoHint | null;
}

export interface Show {
  readonly id: string;
  readonly started_ms: number;
  readonly ended_ms: number | null;
}

export interface Room {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly state: RoomPhase;
  readonly seller: SellerRef;
  readonly poster: string | null;
  readonly starts_ms: number | null;
  readonly show: Show | null;
  readonly viewers: number;
  readonly currency: string;
  readonly whep_url: string;
  readonly ws_url: string;
  readonly listed: boolean;
  readonly test: boolean;
}

export interface RoomInput {
  readonly title: string;
  readonly description?: string;
  readonly starts_ms?: number | null;
  readonly currency?: string;
  readonly listed?: boolean;
  readonly test?: boolean;
}

export interface CreatedRoom {
  readonly room: Room;
  readonly stream_key: string;
}

export interface PublishToken {
  readonly token: string;
  readonly expires_ms: number;
  readonly whip_url: string;
}

export interface ProductNumbers {
  readonly card: string;
  readonly title: string;
  readonly clicks: number;
  readonly orders: number;
  readonly gmv_paid: Money;
}

export interface Numbers {
  readonly viewers: number;
  readonly peak: number;
  readonly likes: number;
  readonly clicks: number;
  readonly orders_placed: number;
  readonly orders_paid: number;
  readonly gmv_paid: Money;
  readonly gmv_minutes: readonly (readonly [number, number])[];
  readonly products: readonly ProductNumbers[];
}

export interface Product {
  readonly id: string;
  readonly sku: string;
  readonly title: string;
  readonly description: string;
  readonly price: Money;
  readonly sale_price: Money | null;
  readonly stock: number;
  readonly image: string | null;
  readonly brand: string | null;
  readonly condition: string | null;
  readonly color: string | null;
  readonly size: string | null;
  readonly commission_bp: number;
  readonly link: string | null;
  readonly updated_ms: number;
}

/** Google product feed names; `id` is the SKU and amounts are written `12.00 USD`. */
export interface ProductInput {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly price: string;
  readonly stock: number;
  readonly sale_price?: string;
  readonly sale_price_effective_date?: string;
  readonly image_link?: string;
  readonly link?: string;
  readonly brand?: string;
  readonly gtin?: string;
  readonly mpn?: string;
  readonly condition?: string;
  readonly item_group_id?: string;
  readonly color?: string;
  readonly size?: string;
  readonly commission?: string;
}

/** Only the fields that change; null empties an optional one. */
export type ProductPatch = { readonly [K in keyof ProductInput]?: ProductInput[K] | null };

export interface ProductPage {
  readonly products: readonly Product[];
  readonly next: string | null;
}

export interface StoredImage {
  readonly image: string;
  readonly width: number;
  readonly height: number;
}

export interface ImportProblem {
  /** 1 is the first row below the header, 0 the header itself. */
  readonly row: number;
  /** "" where the whole row is meant. */
  readonly column: string;
  readonly code: string;
  readonly message: string;
}

export interface ImportResult {
  readonly rows: number;
  readonly valid: number;
  readonly created: number;
  readonly updated: number;
  readonly errors: readonly ImportProblem[];
  readonly sample: readonly ProductInput[];
}

export type CardState = "listed" | "pinned" | "explaining" | "hidden";
export type CardAction = "pin" | "explain" | "unpin" | "hide" | "list";

export interface Card {
  readonly id: string;
  readonly product: string;
  readonly sku: string;
  readonly title: string;
  readonly image: string | null;
  readonly price: Money;
  readonly was: Money | null;
  readonly stock: number;
  readonly state: CardState;
  readonly showing: string | null;
  readonly position: number;
  readonly ver: number;
}

export interface Bag {
  readonly ver: number;
  readonly cards: readonly Card[];
}

export interface AppManifest {
  readonly app_id: string;
  readonly name: string;
  readonly short_name: string;
  readonly [member: string]: unknown;
}

export interface OpenedClick {
  readonly click: string;
  readonly url: string;
  readonly app: AppManifest;
}

export type OrderState = "placed" | "paid" | "partly_refunded" | "refunded" | "cancelled" | "fulfilled";

export interface OrderLine {
  readonly sku: string;
  readonly title: string;
  readonly quantity: number;
  readonly unit_price: Money;
  readonly total: Money;
}

export interface OrderPayment {
  readonly state: string;
  readonly failure: string | null;
}

export interface Order {
  readonly id: string;
  readonly state: OrderState;
  readonly lines: readonly OrderLine[];
  readonly subtotal: Money;
  readonly discount: Money;
  readonly shipping: Money;
  readonly tax: Money;
  readonly total: Money;
  readonly refunded: Money;
  readonly trade_no: string;
  readonly payment: OrderPayment;
  readonly placed_ms: number;
  readonly paid_ms: number | null;
  readonly expires_ms: number;
}

export interface Buyer {
  readonly name: string;
  readonly email: string;
  readonly address?: string | null;
}

export interface Refund {
  readonly id: string;
  readonly amount: Money;
  readonly reason: string | null;
  readonly at_ms: number;
}

export interface LedgerEntry {
  readonly transaction: string;
  readonly ledger_account: string;
  readonly amount: Money;
  readonly at_ms: number;
}

export interface BrandOrder extends Order {
  readonly room: string;
  readonly viewer: string;
  readonly buyer: Buyer;
}

export interface BrandOrderDetail extends BrandOrder {
  readonly refunds: readonly Refund[];
  readonly ledger: readonly LedgerEntry[];
}

export interface OrderPage {
  readonly orders: readonly BrandOrder[];
  readonly next: string | null;
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

export interface ShopProduct {
  readonly product: Product;
  readonly card: Card | null;
  readonly room: { readonly id: string; readonly title: string };
  readonly seller: SellerRef;
  readonly price: Money;
  readonly stock: number;
}

export interface OrderInput {
  readonly lines: readonly { readonly sku: string; readonly quantity: number }[];
  readonly buyer: Buyer;
}

export interface Presentation {
  readonly presentation: "embed" | "redirect";
  readonly url: string;
}

export interface PaymentStatus {
  readonly trade_no: string;
  readonly state: string;
  readonly result: 9000 | 8000 | 4000 | 6001 | 6004;
  readonly failure: string | null;
  readonly order: string;
}

export type TestCard = "visa" | "mastercard" | "declined" | "no_funds" | "expired" | "three_d_secure";

export interface SandboxPayment {
  readonly ref: string;
  readonly state: string;
  readonly amount: Money;
  readonly merchant: string;
  readonly description: string;
  readonly failure: string | null;
}
