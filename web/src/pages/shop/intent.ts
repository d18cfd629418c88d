// What the buyer wants, checked, and the idempotency key that belongs to it. Pure: fresh keys are an argument.
import type { OrderInput } from "../../api/types.js";

export const MOST_PER_ORDER = 20;
export const LONGEST = { name: 100, email: 254, address: 500 } as const;

export interface BuyerForm {
  readonly name: string;
  readonly email: string;
  readonly address: string;
}

export type Problem = "empty" | "malformed" | "long";
export type Problems = Partial<Record<keyof BuyerForm, Problem>>;

/** Something@something.tld without blanks: whether it is a real address only a letter to it can tell. */
const EMAIL = /^[^\s@]+@[^\s@.]+(\.[^\s@.]+)+$/;

export function problemsOf(form: BuyerForm): Problems {
  const problems: Problems = {};
  for (const field of ["name", "email", "address"] as const) {
    const value = form[field].trim();
    if (value === "") problems[field] = "empty";
    else if ([...value].length > LONGEST[field]) problems[field] = "long";
  }
  if (problems.email === undefined && !EMAIL.test(form.email.trim())) problems.email = "malformed";
  return problems;
}

/** How many the buyer may take: at most what is there and what one order may hold, at least one to show. */
export function clampQuantity(wanted: number, stock: number): number {
  return Math.max(1, Math.min(Math.round(wanted) || 1, stock, MOST_PER_ORDER));
}

export function orderOf(sku: string, quantity: number, form: BuyerForm): OrderInput {
  return {
    lines: [{ sku, quantity }],
    buyer: { name: form.name.trim(), email: form.email.trim(), address: form.address.trim() },
  };
}

export interface Intent {
  readonly key: string;
  readonly body: string;
}

/**
 * The intent to send for `order`: the previous one while the order is the same, so that a repetition after a
 * lost answer is the same order; a new key once anything in it has changed.
 */
export function intentFor(order: OrderInput, previous: Intent | null, freshKey: () => string): Intent {
  const body = JSON.stringify(order);
  return previous?.body === body ? previous : { key: freshKey(), body };
}

export type Outcome = "paid" | "processing" | "failed" | "unpaid" | "cancelled" | "refunded";

/**
 * What to tell the buyer on the result page. `unsure`: the server could not be asked since the payment was tried, so
 * an order that looks unpaid may be paid. `leftMs`: how long the pieces are still held.
 */
export function tellingOf(outcome: Outcome, unsure: boolean, leftMs: number): Outcome | "unsure" | "expired" {
  if (outcome !== "failed" && outcome !== "unpaid") return outcome;
  if (unsure) return "unsure";
  return leftMs > 0 ? outcome : "expired";
}

/** What to tell the buyer, from the server's order alone. */
export function outcomeOf(order: { state: string; payment: { state: string; failure: string | null } }): Outcome {
  switch (order.state) {
    case "paid":
    case "fulfilled":
    case "partly_refunded":
      return "paid";
    case "refunded":
      return "refunded";
    case "cancelled":
      return "cancelled";
  }
  if (order.payment.state === "succeeded" || order.payment.state === "processing") return "processing";
  if (order.payment.state === "canceled") return "cancelled";
  return order.payment.failure === null ? "unpaid" : "failed";
}
