import { describe, expect, it } from "vitest";
import { clampQuantity, intentFor, orderOf, outcomeOf, problemsOf, tellingOf } from "./intent.js";

const form = { name: "Ann Lee", email: "ann@example.com", address: "1 High St" };

describe("buyer form", () => {
  it("passes what is whole and names what is not", () => {
    expect(problemsOf(form)).toEqual({});
    expect(problemsOf({ name: " ", email: "ann@", address: "" })).toEqual({ name: "empty", email: "malformed", address: "empty" });
    expect(problemsOf({ ...form, name: "x".repeat(101) })).toEqual({ name: "long" });
  });
  it.each(["a@b", "@b.c", "a b@c.de", "a@b..c", "a@.c", "a@b.c@d.e"])("refuses %s", (email) => expect(problemsOf({ ...form, email })).toEqual({ email: "malformed" }));
  it.each(["a@b.co", "a+b@c.d.e", "李@例子.中国", " a@b.co "])("takes %s", (email) => expect(problemsOf({ ...form, email })).toEqual({}));
});

describe("quantity", () => {
  it.each([[0, 5, 1], [3, 5, 3], [9, 5, 5], [99, 500, 20], [-2, 5, 1], [Number.NaN, 5, 1], [2.6, 5, 3], [4, 0, 1]])("%d of %d in stock becomes %d", (wanted, stock, expected) =>
    expect(clampQuantity(wanted, stock)).toBe(expected));
});

describe("intent", () => {
  let n = 0;
  const fresh = (): string => `key-${++n}`;
  it("keeps its key for the same order and takes a new one for another", () => {
    const first = intentFor(orderOf("A", 1, form), null, fresh);
    expect(intentFor(orderOf("A", 1, { ...form, name: " Ann Lee " }), first, fresh)).toBe(first);
    const second = intentFor(orderOf("A", 2, form), first, fresh);
    expect(second.key).not.toBe(first.key);
    expect(intentFor(orderOf("A", 1, form), second, fresh).key).not.toBe(first.key);
  });
});

describe("outcome", () => {
  const of = (state: string, payment: string, failure: string | null = null) => outcomeOf({ state, payment: { state: payment, failure } });
  it("follows the order, and the payment while the order is open", () => {
    expect(of("paid", "succeeded")).toBe("paid");
    expect(of("fulfilled", "succeeded")).toBe("paid");
    expect(of("refunded", "succeeded")).toBe("refunded");
    expect(of("placed", "succeeded")).toBe("processing");
    expect(of("placed", "processing")).toBe("processing");
    expect(of("placed", "requires_payment_method")).toBe("unpaid");
    expect(of("placed", "requires_payment_method", "card_declined")).toBe("failed");
    expect(of("placed", "canceled")).toBe("cancelled");
    expect(of("cancelled", "canceled")).toBe("cancelled");
  });
  it("does not say that nothing was charged while the server cannot be asked", () => {
    expect(tellingOf("unpaid", true, 60_000)).toBe("unsure");
    expect(tellingOf("failed", true, 0)).toBe("unsure");
    expect(tellingOf("paid", true, 0)).toBe("paid");
  });
  it("holds nothing for the buyer once the time is over", () => {
    expect(tellingOf("unpaid", false, 1)).toBe("unpaid");
    expect(tellingOf("unpaid", false, 0)).toBe("expired");
    expect(tellingOf("failed", false, -5)).toBe("expired");
  });
});
