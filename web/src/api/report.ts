// The report's JSON (docs/metrics.md, "The JSON"). Knows no page; times and durations in ms, money in minor units.

import type { Money } from "./types.js";

export const RATIOS = [
  "uv_value", "value_per_buyer", "aov", "gmv_per_view", "gpm_watch", "gpm_impression",
  "ctr_pv", "ctr_uv", "click_to_order", "order_to_pay", "cvr_viewer", "cvr_click",
  "refund_rate_value", "refund_rate_count", "gmv_per_live_hour", "gmv_placed_per_live_hour", "gmv_per_session",
] as const;
export type RatioName = (typeof RATIOS)[number];

export interface Ratio {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly n: number;
  /** `money`: fractional minor units of the report's currency. */
  readonly unit: "share" | "money";
  readonly method: "wilson" | "bootstrap" | "poisson_bootstrap" | null;
  readonly why: string | null;
  readonly trimmed: number | null;
  readonly largest_buyer_share: number | null;
}

export interface Sales {
  readonly orders: number;
  readonly paid_orders: number;
  readonly buyers: number;
  readonly units: number;
  readonly gmv_placed: Money;
  readonly gmv_paid: Money;
  readonly given_back: Money;
  readonly gmv_net: Money;
}

export interface Scene {
  readonly viewers: number;
  readonly views: number;
  readonly long_views: number;
  readonly watch_ms: number;
  readonly clicks: number;
  readonly sales: Sales;
}

export interface Curve {
  readonly minute_ms: readonly number[];
  readonly clicks: readonly number[];
  readonly orders: readonly number[];
  readonly paid_orders: readonly number[];
  readonly gmv_paid_minor: readonly number[];
  readonly gmv_net_minor: readonly number[];
}

export interface Item {
  readonly id: string;
  readonly product: string;
  readonly seller: string;
  readonly impressions: number;
  readonly impressed_viewers: number;
  readonly clicks: number;
  readonly clicking_viewers: number;
  readonly sales: Sales;
}

/** Sums in minor units of the report's currency. */
export interface Bucket {
  readonly orders: number;
  readonly paid_orders: number;
  readonly gmv_placed: number;
  readonly gmv_paid: number;
  readonly given_back: number;
}

export interface Message {
  readonly key: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export type Band = "below" | "in_band" | "above" | "cannot_tell";
export type Spread = "settled" | "not_settled" | "unknown";

export interface Comparison {
  readonly comparator: string;
  readonly status: "compared" | "refused" | "quoted";
  readonly measure: RatioName | null;
  readonly metric: string;
  readonly denominator: string;
  readonly unit: string;
  readonly low: number | null;
  readonly centre: number | null;
  readonly high: number | null;
  readonly centre_is: "published" | "geometric_mean" | "median" | "none";
  readonly r: number | null;
  readonly r_low: number | null;
  readonly r_high: number | null;
  readonly outer_low: number | null;
  readonly outer_high: number | null;
  readonly why: Message | null;
  readonly verdict: {
    readonly band: Band;
    readonly spread: Spread;
    readonly messages: readonly Message[];
    readonly text_en: string;
    readonly text_zh: string;
  } | null;
  readonly confidence: string | null;
  readonly region: string;
  readonly channel: string;
  readonly year: string;
  readonly source: string;
  readonly note: string;
}

export interface Reading {
  readonly reading: "uv_value" | "value_per_buyer";
  readonly band: Band | null;
  readonly spread: Spread | null;
  readonly comparators: readonly Comparison[];
  readonly messages: readonly Message[];
  readonly text_en: string;
  readonly text_zh: string;
}

export interface AttributionWindow {
  readonly window_ms: number;
  readonly orders: number;
  readonly paid_orders: number;
  readonly buyers: number;
  readonly gmv_paid: Money;
  readonly gmv_net: Money;
}

export interface Report {
  readonly format: number;
  readonly room: string;
  readonly window: { readonly start_ms: number; readonly end_ms: number };
  readonly as_of_ms: number;
  readonly currency: string;
  readonly decimals: number;
  readonly live: { readonly intervals: readonly (readonly [number, number])[]; readonly live_ms: number };
  readonly audience: {
    readonly viewers: number;
    readonly views: number;
    readonly long_views: number;
    readonly watch_ms: number;
    readonly watch_avg_ms: number | null;
    readonly pcu: number;
    readonly pcu_at_ms: number | null;
    readonly acu: number | null;
  };
  readonly counts: {
    readonly impressions: number;
    readonly impressed_viewers: number;
    readonly hub_impressions: number;
    readonly clicks: number;
    readonly clicks_without_card: number;
    readonly clicking_viewers: number;
    readonly orders_placed: number;
    readonly orders_paid: number;
    readonly orders_cancelled_unpaid: number;
    readonly orders_given_back: number;
    readonly ordering_viewers: number;
    readonly buyers: number;
    readonly units_paid: number;
  };
  readonly money: {
    readonly gmv_placed: Money;
    readonly gmv_paid: Money;
    readonly refunded: Money;
    readonly cancelled_after_payment: Money;
    readonly gmv_net: Money;
  };
  readonly ratios: Readonly<Record<RatioName, Ratio>>;
  readonly phases: { readonly before_live: Sales; readonly in_live: Sales; readonly after_live: Sales };
  readonly scenes: { readonly live: Scene; readonly replay: Scene };
  readonly attribution: {
    readonly window_ms: number;
    readonly by: { readonly click_id: number; readonly viewer: number };
    readonly unattributed: {
      readonly click_unknown: number;
      readonly click_other_seller: number;
      readonly no_click: number;
      readonly too_old: number;
    };
    readonly windows: readonly AttributionWindow[];
  };
  readonly curves: {
    readonly step_ms: number;
    readonly audience: {
      readonly minute_ms: readonly number[];
      readonly peak: readonly number[];
      readonly average: readonly number[];
    };
    readonly by_order_time: Curve;
    readonly by_click_time: Curve;
  };
  readonly products: readonly Item[];
  readonly cards: readonly Item[];
  readonly judged: {
    readonly target: { readonly low: number; readonly high: number; readonly source: string | null };
    readonly readings: readonly Reading[];
    readonly comparisons: readonly Comparison[];
  };
  readonly excluded: {
    readonly viewers: number;
    readonly sessions: number;
    readonly impressions: number;
    readonly clicks: number;
    readonly orders: number;
    readonly rows_sha256: string;
  };
  readonly reconciliation: {
    readonly counted: Bucket;
    readonly unattributed: Bucket;
    readonly excluded: Bucket;
    readonly outside_window: Bucket;
  };
  readonly trust: {
    readonly rows_sha256: string;
    readonly baselines_version: string;
    readonly code_version: string;
    readonly settings_sha256: string;
    readonly history_sha256: string;
    readonly seed: number;
    readonly resamples: number;
    readonly generator: string;
    readonly signature: string;
  };
}
