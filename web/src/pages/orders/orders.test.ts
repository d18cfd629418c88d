import { describe, expect, it } from "vitest";

import type { OrderState } from "../../api/types.js";
import { mayCancel, mayFulfil, refundable, STATES } from "./states.js";

const usd = (minor: number) => ({ minor, currency: "USD" });

describe("order steps", () => {
  it("follow the order machine", () => {
    expect(STATES.filter(mayCancel)).toEqual(["placed"]);
    expect(STATES.filter(mayFulfil)).toEqual(["paid", "partly_refunded"]);
  });
  it("never refund more than was paid and not yet given back", () => {
    const left = (state: OrderState, refunded: number) => refundable({ state, total: usd(1000), refunded: usd(refunded) }).minor;
    expect(left("placed", 0)).toBe(0);
    expect(left("cancelled", 0)).toBe(0);
    expect(left("paid", 0)).toBe(1000);
    expect(left("fulfilled", 0)).toBe(1000);
    expect(left("partly_refunded", 300)).toBe(700);
    expect(left("refunded", 1000)).toBe(0);
  });
});
