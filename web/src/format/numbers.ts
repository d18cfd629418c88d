// Counts, shares, ranges and bit rates by locale. Pure; knows no page.

export function formatCount(value: number, locale: string): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: 0 }).format(value);
}

/** `12.3K`, for tiles; below 10 000 the whole number. */
export function formatCompact(value: number, locale: string): string {
  if (Math.abs(value) < 10_000) return formatCount(value, locale);
  return new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** `value` with three significant digits at most and never more than two decimals. */
export function formatDecimal(value: number, locale: string): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);
}

/** A share in [0, 1] as a percentage, small shares with more digits. */
export function formatPercent(share: number, locale: string): string {
  const size = Math.abs(share);
  const digits = size === 0 || size >= 0.1 ? 1 : size >= 0.001 ? 2 : 3;
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: digits }).format(share);
}

/** `2.1×`. */
export function formatTimes(ratio: number, locale: string): string {
  return `${formatDecimal(ratio, locale)}×`;
}

/** `low – high`, one text when both read the same. */
export function formatRange(low: string, high: string): string {
  return low === high ? low : `${low} – ${high}`;
}

/** Bits per second as Mbit/s or kbit/s. */
export function formatBitrate(bps: number, locale: string): string {
  if (bps >= 1_000_000) {
    return `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1, minimumFractionDigits: 1 }).format(bps / 1e6)} Mbit/s`;
  }
  return `${formatCount(bps / 1000, locale)} kbit/s`;
}
