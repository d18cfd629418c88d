// Which steps an order's state allows from the studio, and how much is left to refund. Pure.
// Mirrors the table in commerce_overlay/orders.py only to hide buttons; the server decides.

import type { Money, Order, OrderState } from "../../api/types.js";

export type Badge = "" | "badge-ok" | "badge-warn" | "badge-info" | "badge-bad";

export const BADGES: Readonly<Record<OrderState, Badge>> = {
  placed: "badge-info",
  paid: "badge-ok",
  fulfilled: "badge-ok",
  partly_refunded: "badge-warn",
  refunded: "",
  cancelled: "",
};

export const STATES = Object.keys(BADGES) as readonly OrderState[];

export function mayFulfil(state: OrderState): boolean {
  return state === "paid" || state === "partly_refunded";
}

export function mayCancel(state: OrderState): boolean {
  return state === "placed";
}

/** What can still be given back; nothing before the payment. */
export function refundable(order: Pick<Order, "state" | "total" | "refunded">): Money {
  const reached = order.state === "paid" || order.state === "fulfilled" || order.state === "partly_refunded";
  return { minor: reached ? Math.max(0, order.total.minor - order.refunded.minor) : 0, currency: order.total.currency };
}
