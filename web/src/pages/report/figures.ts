// A report's figures as texts: money ratios in fractional minor units, shares, intervals, reasons.
import type { Ratio, Report } from "../../api/report.js";
import type { Money } from "../../api/types.js";
import { amount, duration, percent, range } from "../../format/index.js";
import { locale } from "../../i18n/lang.js";
import { whyText } from "./verdict_words.js";

/** Fractional minor units as money; below one major unit two more digits, or everything would read 0.00. */
export function fractional(minor: number, report: Pick<Report, "currency" | "decimals">): string {
  const value = minor / 10 ** report.decimals;
  const digits = Math.abs(value) >= 1 || value === 0 ? report.decimals : report.decimals + 2;
  return new Intl.NumberFormat(locale(), {
    style: "currency",
    currency: report.currency,
    minimumFractionDigits: report.decimals,
    maximumFractionDigits: digits,
  }).format(value);
}

export function valueText(ratio: Ratio, value: number, report: Report): string {
  return ratio.unit === "money" ? fractional(value, report) : percent(value);
}

/** The value, or the reason why there is none. */
export function ratioText(ratio: Ratio, report: Report): string {
  return ratio.value === null ? whyText(ratio.why ?? "") : valueText(ratio, ratio.value, report);
}

/** The interval as a range, "–" where there is none. */
export function intervalText(ratio: Ratio, report: Report): string {
  if (ratio.low === null || ratio.high === null) return ratio.why === "interval_unstable" ? whyText(ratio.why) : "–";
  return range(valueText(ratio, ratio.low, report), valueText(ratio, ratio.high, report));
}

export const money = (minor: number, report: Pick<Report, "currency">): string => amount({ minor, currency: report.currency });

export function given(report: Report): Money {
  const { refunded, cancelled_after_payment: cancelled } = report.money;
  return { minor: refunded.minor + cancelled.minor, currency: refunded.currency };
}

/** A window's length: `24 hr`, `7 days`. */
export function windowText(ms: number): string {
  const days = ms / 86_400_000;
  if (days < 2) return duration(ms);
  return new Intl.NumberFormat(locale(), { style: "unit", unit: "day", unitDisplay: "long" }).format(days);
}

