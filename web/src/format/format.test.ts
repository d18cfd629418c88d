import { describe, expect, it } from "vitest";

import { formatClock, formatDuration, formatRelative, fromLocalInput, toLocalInput } from "./dates.js";
import { formatMoney, parseAmount, toDecimal, toFeedPrice } from "./money.js";
import { formatBitrate, formatDecimal, formatPercent, formatRange } from "./numbers.js";

const money = (minor: number, currency: string) => ({ minor, currency });
// Intl writes no-break spaces between amount and code; they are not what these tests are about.
const plain = (text: string): string => text.replace(/[\u00a0\u202f]/g, " ");

describe("money", () => {
  it("writes each currency with its own minor unit", () => {
    expect(toDecimal(money(1299, "USD"))).toBe("12.99");
    expect(toDecimal(money(5, "USD"))).toBe("0.05");
    expect(toDecimal(money(-5, "USD"))).toBe("-0.05");
    expect(toDecimal(money(1299, "JPY"))).toBe("1299");
    expect(toDecimal(money(1299, "KWD"))).toBe("1.299");
    expect(toFeedPrice(money(900, "EUR"))).toBe("9.00 EUR");
  });

  it("formats by locale, with ISO digits and not the browser's", () => {
    expect(plain(formatMoney(money(129900, "USD"), "en"))).toBe("$1,299.00");
    expect(plain(formatMoney(money(129900, "CNY"), "zh"))).toBe("¥1,299.00");
    expect(plain(formatMoney(money(1299, "KWD"), "en"))).toBe("KWD 1.299");
    expect(plain(formatMoney(money(1234567, "USD"), "en", { compact: true }))).toBe("$12.3K");
    expect(plain(formatMoney(money(1200, "USD"), "en", { compact: true }))).toBe("$12.00");
    expect(plain(formatMoney(money(1200, "not a code"), "en"))).toBe("12.00 not a code");
  });

  it("reads what a person types and nothing else", () => {
    expect(parseAmount("12.5", "USD")).toEqual(money(1250, "USD"));
    expect(parseAmount(" 12,50 ", "EUR")).toEqual(money(1250, "EUR"));
    expect(parseAmount("12.500", "USD")).toEqual(money(1250, "USD"));
    expect(parseAmount("0.07", "USD")).toEqual(money(7, "USD"));
    expect(parseAmount("1299", "JPY")).toEqual(money(1299, "JPY"));
    for (const bad of ["", "abc", "-1", "1.005", "1.2.3", "1e3", "12 USD", "1,299.00", "."]) {
      expect(parseAmount(bad, "USD"), bad).toBeNull();
    }
    expect(parseAmount("1.5", "JPY")).toBeNull();
  });

  it("comes back from its own decimal form for every digit pattern", () => {
    for (const currency of ["USD", "JPY", "KWD", "CLF"]) {
      for (const minor of [0, 1, 9, 10, 99, 100, 101, 999_999, 1_000_000]) {
        expect(parseAmount(toDecimal(money(minor, currency)), currency)).toEqual(money(minor, currency));
      }
    }
  });
});

describe("numbers", () => {
  it("gives small shares enough digits to be told apart", () => {
    expect(formatPercent(0.1234, "en")).toBe("12.3%");
    expect(formatPercent(0.0123, "en")).toBe("1.23%");
    expect(formatPercent(0.00012, "en")).toBe("0.012%");
    expect(formatPercent(0, "en")).toBe("0%");
  });
  it("keeps three significant digits", () => {
    expect(formatDecimal(2.146, "en")).toBe("2.15");
    expect(formatDecimal(21.46, "en")).toBe("21.5");
    expect(formatDecimal(1214.6, "en")).toBe("1,215");
  });
  it("says a range once when both ends read the same", () => {
    expect(formatRange("1", "2")).toBe("1 – 2");
    expect(formatRange("1", "1")).toBe("1");
  });
  it("names bit rates", () => {
    expect(formatBitrate(2_449_000, "en")).toBe("2.4 Mbit/s");
    expect(formatBitrate(640_000, "en")).toBe("640 kbit/s");
  });
});

describe("dates", () => {
  it("runs a clock", () => {
    expect(formatClock(0)).toBe("0:00");
    expect(formatClock(65_999)).toBe("1:05");
    expect(formatClock(3_725_000)).toBe("1:02:05");
    expect(formatClock(-1)).toBe("0:00");
  });
  it("says lengths of time", () => {
    expect(formatDuration(42_000, "en")).toBe("42 sec");
    expect(formatDuration(200_000, "en")).toBe("3 min 20 sec");
    expect(formatDuration(3_600_000, "en")).toBe("1 hr");
    expect(formatDuration(3_840_000, "en")).toBe("1 hr 4 min");
  });
  it("says how far away a time is", () => {
    expect(formatRelative(0, 7_200_000, "en")).toBe("2 hours ago");
    expect(formatRelative(86_400_000 * 3, 0, "en")).toBe("in 3 days");
  });
  it("brings a local input back to the minute", () => {
    const at = Date.UTC(2026, 4, 7, 13, 45);
    expect(fromLocalInput(toLocalInput(at))).toBe(at);
    expect(fromLocalInput("")).toBeNull();
    expect(fromLocalInput("2026-13-40T99:99")).toBeNull();
    expect(fromLocalInput("tomorrow")).toBeNull();
  });
});
