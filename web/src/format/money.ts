// Money by locale, and amounts a person types, in integer minor units and without floating point on the way in.
// Pure; knows no page.

import type { Money } from "../api/types.js";

// ISO 4217 currencies whose minor unit is not 2. Browsers follow CLDR, which rounds some of these differently
// from ISO, so the table is ours and passed to Intl.
const DECIMALS: Readonly<Record<string, number>> = {
  BIF: 0, CLP: 0, DJF: 0, GNF: 0, ISK: 0, JPY: 0, KMF: 0, KRW: 0, PYG: 0, RWF: 0, UGX: 0, UYI: 0, VND: 0, VUV: 0,
  XAF: 0, XOF: 0, XPF: 0,
  BHD: 3, IQD: 3, JOD: 3, KWD: 3, LYD: 3, OMR: 3, TND: 3,
  CLF: 4, UYW: 4,
};

/** Digits after the decimal point of `currency` (ISO 4217). */
export function decimalsOf(currency: string): number {
  return DECIMALS[currency] ?? 2;
}

/** `12.99` for 1299 USD: the plain decimal number, as product feeds write it. */
export function toDecimal(money: Money): string {
  const digits = decimalsOf(money.currency);
  const sign = money.minor < 0 ? "-" : "";
  const text = String(Math.abs(money.minor)).padStart(digits + 1, "0");
  if (digits === 0) return sign + text;
  return `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

/** `12.99 USD`: how amounts are sent to the server. */
export function toFeedPrice(money: Money): string {
  return `${toDecimal(money)} ${money.currency}`;
}

/** What a person typed as an amount, or null when it is no amount of that currency (too many decimals, sign, letters). */
export function parseAmount(text: string, currency: string): Money | null {
  const match = /^(\d{1,12})(?:[.,](\d{0,4}))?$/.exec(text.trim());
  if (match === null) return null;
  const digits = decimalsOf(currency);
  const fraction = (match[2] ?? "").replace(/0+$/, "");
  if (fraction.length > digits) return null;
  return { minor: Number((match[1] ?? "0") + fraction.padEnd(digits, "0")), currency };
}

export interface MoneyStyle {
  /** Short form for tiles and axes: `$1.2K`. */
  readonly compact?: boolean;
}

/** The amount as the reader's locale writes it. */
export function formatMoney(money: Money, locale: string, style: MoneyStyle = {}): string {
  const digits = decimalsOf(money.currency);
  const value = money.minor / 10 ** digits;
  const options: Intl.NumberFormatOptions = { style: "currency", currency: money.currency };
  if (style.compact === true && Math.abs(value) >= 10_000) {
    options.notation = "compact";
    options.maximumFractionDigits = 1;
  } else {
    options.minimumFractionDigits = digits;
    options.maximumFractionDigits = digits;
  }
  try {
    return new Intl.NumberFormat(locale, options).format(value);
  } catch {
    // A code Intl refuses (not three letters) still has to be readable.
    return toFeedPrice(money);
  }
}
