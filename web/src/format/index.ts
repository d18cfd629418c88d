// The formats of this folder bound to the page's language, for use inside templates.
// Knows the current language; the pure functions beside it do not.

import type { Money } from "../api/types.js";
import { locale } from "../i18n/lang.js";
import * as dates from "./dates.js";
import * as money from "./money.js";
import * as numbers from "./numbers.js";

export { formatClock as clock, fromLocalInput, toLocalInput } from "./dates.js";
export { decimalsOf, parseAmount, toDecimal, toFeedPrice } from "./money.js";
export { formatRange as range } from "./numbers.js";

export const amount = (value: Money, style?: money.MoneyStyle): string => money.formatMoney(value, locale(), style);
export const count = (value: number): string => numbers.formatCount(value, locale());
export const compact = (value: number): string => numbers.formatCompact(value, locale());
export const decimal = (value: number): string => numbers.formatDecimal(value, locale());
export const percent = (share: number): string => numbers.formatPercent(share, locale());
export const times = (ratio: number): string => numbers.formatTimes(ratio, locale());
export const bitrate = (bps: number): string => numbers.formatBitrate(bps, locale());
export const dateTime = (ms: number): string => dates.formatDateTime(ms, locale());
export const date = (ms: number): string => dates.formatDate(ms, locale());
export const time = (ms: number): string => dates.formatTime(ms, locale());
export const duration = (ms: number): string => dates.formatDuration(ms, locale());
export const relative = (ms: number): string => dates.formatRelative(ms, Date.now(), locale());
