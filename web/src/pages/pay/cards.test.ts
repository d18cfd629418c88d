import { describe, expect, it } from "vitest";
import { grouped, groupedExpiry, isGoodCvc, isGoodExpiry, TEST_NUMBERS, verdictOf } from "./cards.js";

describe("card number", () => {
  it("becomes a name for each well-known test number, however it is typed", () => {
    for (const { digits, card } of TEST_NUMBERS) {
      expect(verdictOf(digits)).toEqual({ card });
      expect(verdictOf(grouped(digits))).toEqual({ card });
    }
    expect(new Set(TEST_NUMBERS.map((entry) => entry.card)).size).toBe(6);
  });
  it.each([["", "empty"], ["4242 4242", "incomplete"], ["4111 1111 1111 1111", "not_test"], ["4242424242424241", "not_test"], ["42424242424242424", "not_test"], ["378282246310005", "not_test"]])(
    "%j is refused as %s", (text, problem) => expect(verdictOf(text)).toEqual({ problem }));
  it("is grouped while it is typed", () => {
    expect(grouped("42424")).toBe("4242 4");
    expect(grouped("4242 4242")).toBe("4242 4242");
    expect(grouped("x4242y".repeat(9))).toBe("4242 4242 4242 4242 424");
  });
});

describe("expiry", () => {
  const now = new Date(2026, 10, 23);
  it.each([["11 / 26", true], ["12/26", true], ["1034", true], ["10 / 26", false], ["13 / 30", false], ["00 / 30", false], ["1 / 3", false], ["", false], ["01 / 99", false]])(
    "%s good: %s", (text, good) => expect(isGoodExpiry(text, now)).toBe(good));
  it("is grouped while it is typed", () => expect(["1", "12", "123", "12345", "5", "53"].map(groupedExpiry)).toEqual(["1", "12", "12 / 3", "12 / 34", "05", "05 / 3"]));
});

describe("security code", () => {
  it.each([["123", true], ["1234", true], [" 123 ", true], ["12", false], ["12345", false], ["12a", false], ["", false]])("%j good: %s", (text, good) => expect(isGoodCvc(text)).toBe(good));
});
