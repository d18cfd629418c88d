// The well-known test numbers and the checks of a card form. Pure. A number is turned into a name here, in the
// browser: no digit of it is ever sent, and a number that is not in the list is refused before anything happens.
import type { TestCard } from "../../api/types.js";

export interface TestNumber {
  readonly digits: string;
  readonly card: TestCard;
}

export const TEST_NUMBERS: readonly TestNumber[] = [
  { digits: "4242424242424242", card: "visa" },
  { digits: "5555555555554444", card: "mastercard" },
  { digits: "4000000000003220", card: "three_d_secure" },
  { digits: "4000000000000002", card: "declined" },
  { digits: "4000000000009995", card: "no_funds" },
  { digits: "4000000000000069", card: "expired" },
];

export const digitsOf = (text: string): string => text.replace(/\D/g, "");

/** Groups of four, as on the card; at most 19 digits (ISO/IEC 7812). */
export const grouped = (text: string): string => digitsOf(text).slice(0, 19).replace(/(.{4})(?=.)/g, "$1 ");

/** MM / YY while it is typed. */
export function groupedExpiry(text: string): string {
  let digits = digitsOf(text).slice(0, 4);
  // A month cannot begin with 2 to 9: the zero is what the buyer means.
  if (/^[2-9]/.test(digits)) digits = `0${digits}`.slice(0, 4);
  return digits.length > 2 ? `${digits.slice(0, 2)} / ${digits.slice(2)}` : digits;
}

export type NumberVerdict = { readonly card: TestCard } | { readonly problem: "empty" | "incomplete" | "not_test" };

export function verdictOf(text: string): NumberVerdict {
  const digits = digitsOf(text);
  if (digits === "") return { problem: "empty" };
  const known = TEST_NUMBERS.find((entry) => entry.digits === digits);
  if (known) return { card: known.card };
  return { problem: digits.length < 13 ? "incomplete" : "not_test" };
}

/** Whether MM / YY is a month that is not over yet. */
export function isGoodExpiry(text: string, now: Date): boolean {
  const digits = digitsOf(text);
  if (digits.length !== 4) return false;
  const month = Number(digits.slice(0, 2));
  const year = 2000 + Number(digits.slice(2));
  if (month < 1 || month > 12) return false;
  const [thisYear, thisMonth] = [now.getFullYear(), now.getMonth() + 1];
  return year > thisYear ? year <= thisYear + 30 : year === thisYear && month >= thisMonth;
}

export const isGoodCvc = (text: string): boolean => /^\d{3,4}$/.test(text.trim());
