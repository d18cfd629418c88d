// The report's message keys (docs/metrics.md) as sentences of the page's language.

import { RATIOS, type Message, type RatioName } from "../../api/report.js";
import { decimal } from "../../format/index.js";
import { catalogue } from "../../i18n/catalogue.js";
import { lang } from "../../i18n/lang.js";
import { t as page } from "./messages.js";
import { baselineText } from "./baselines.js";
import { name } from "./metrics.js";

type P = Readonly<Record<string, string>>;

const t = catalogue(
  {
    "against.own_median": (p: P) => `Against the median of your own last ${p["rooms"]} rooms`,
    "against.baseline": (p: P) => `Against ${p["baseline"]} (confidence ${p["confidence"]}), by the room's “${p["measure"]}”`,
    "verdict.below": (p: P) => `below the ${p["target_low"]}–${p["target_high"]}× band at the centre: ${p["r"]}× (95 % interval ${p["low"]}–${p["high"]})`,
    "verdict.in_band": (p: P) => `in band at the centre: ${p["r"]}× (95 % interval ${p["low"]}–${p["high"]}) lies within ${p["target_low"]}–${p["target_high"]}×`,
    "verdict.above": (p: P) => `above the ${p["target_low"]}–${p["target_high"]}× band at the centre: ${p["r"]}× (95 % interval ${p["low"]}–${p["high"]})`,
    "verdict.cannot_tell": (p: P) => `cannot tell: ${p["r"]}× (95 % interval ${p["low"]}–${p["high"]}) is neither inside the ${p["target_low"]}–${p["target_high"]}× band nor outside it`,
    "spread.settled": (p: P) => `the baseline's own spread does not change that (${p["low"]}–${p["high"]}×)`,
    "spread.not_settled": (p: P) => `not settled by the baseline's own spread (${p["low"]}–${p["high"]}×)`,
    "spread.unknown": "the baseline states no range, so its own spread is unknown",
    "reading.too_few_buyers": (p: P) => `Too few buyers: ${p["buyers"]} of the ${p["needed"]} needed, so no ratio is printed`,
    "reading.no_figure": (p: P) => `The room has no such figure: ${p["why"]}`,
    "reading.no_comparator": "Cannot tell: nothing with the same metric, denominator and currency to compare with",
    "refused.metric": (p: P) => `The report has no metric “${p["metric"]}”`,
    "refused.denominator": (p: P) => `The baseline is per ${p["denominator"]}, the room's “${p["metric"]}” is per ${p["room"]}`,
    "refused.currency": (p: P) => `The baseline is in ${p["baseline"]}, the report in ${p["room"]}`,
    "refused.no_figure": "The baseline states no figure to divide by",
    "refused.room_figure": (p: P) => `The room has no such figure (${p["why"]})`,
    "refused.no_interval": "The room's figure has no interval",
    "quoted.confidence": (p: P) => `Never compared (confidence ${p["confidence"]}): ${p["note"]}`,
    "quoted.target": (p: P) => `States the target band ${p["target_low"]}–${p["target_high"]}×; it is not compared itself`,
    "history.too_few_rooms": (p: P) => `No own median yet: ${p["rooms"]} earlier rooms in this currency, ${p["needed"]} needed`,
  },
  {
    "against.own_median": (p) => `与您最近 ${p["rooms"]} 场直播的中位数相比`,
    "against.baseline": (p) => `与基准 ${p["baseline"]} 相比（可信度 ${p["confidence"]}），以本场“${p["measure"]}”计`,
    "verdict.below": (p) => `按中心值低于 ${p["target_low"]}–${p["target_high"]} 倍目标区间：${p["r"]} 倍（95% 区间 ${p["low"]}–${p["high"]}）`,
    "verdict.in_band": (p) => `按中心值处于目标区间：${p["r"]} 倍（95% 区间 ${p["low"]}–${p["high"]}）落在 ${p["target_low"]}–${p["target_high"]} 倍之内`,
    "verdict.above": (p) => `按中心值高于 ${p["target_low"]}–${p["target_high"]} 倍目标区间：${p["r"]} 倍（95% 区间 ${p["low"]}–${p["high"]}）`,
    "verdict.cannot_tell": (p) => `无法判断：${p["r"]} 倍（95% 区间 ${p["low"]}–${p["high"]}）既不完全在 ${p["target_low"]}–${p["target_high"]} 倍区间之内，也不完全在其外`,
    "spread.settled": (p) => `基准自身的离散范围不改变这一结论（${p["low"]}–${p["high"]} 倍）`,
    "spread.not_settled": (p) => `考虑基准自身的离散范围后尚无定论（${p["low"]}–${p["high"]} 倍）`,
    "spread.unknown": "基准未给出范围，其自身离散程度未知",
    "reading.too_few_buyers": (p) => `买家太少：${p["buyers"]} 位，至少需要 ${p["needed"]} 位，因此不给出比率`,
    "reading.no_figure": (p) => `本场没有该指标：${p["why"]}`,
    "reading.no_comparator": "无法判断：没有指标、分母和币种都一致的比较对象",
    "refused.metric": (p) => `报告中没有指标“${p["metric"]}”`,
    "refused.denominator": (p) => `基准以“${p["denominator"]}”为分母，本场“${p["metric"]}”以“${p["room"]}”为分母`,
    "refused.currency": (p) => `基准币种为 ${p["baseline"]}，报告币种为 ${p["room"]}`,
    "refused.no_figure": "基准没有可作除数的数值",
    "refused.room_figure": (p) => `本场没有该指标（${p["why"]}）`,
    "refused.no_interval": "本场该指标没有置信区间",
    "quoted.confidence": (p) => `仅供引用，不作比较（可信度 ${p["confidence"]}）：${p["note"]}`,
    "quoted.target": (p) => `用于给出目标区间 ${p["target_low"]}–${p["target_high"]} 倍，本身不参与比较`,
    "history.too_few_rooms": (p) => `尚无自有中位数：同币种的过往直播 ${p["rooms"]} 场，至少需要 ${p["needed"]} 场`,
  },
);

type Key = Parameters<typeof t>[0];
export const KEYS = [
  "against.own_median", "against.baseline", "verdict.below", "verdict.in_band", "verdict.above", "verdict.cannot_tell",
  "spread.settled", "spread.not_settled", "spread.unknown", "reading.too_few_buyers", "reading.no_figure",
  "reading.no_comparator", "refused.metric", "refused.denominator", "refused.currency", "refused.no_figure",
  "refused.room_figure", "refused.no_interval", "quoted.confidence", "quoted.target", "history.too_few_rooms",
] as const satisfies readonly Key[];

const WHY = [
  "too_few_buyers", "no_viewers", "no_views", "no_impressions", "no_hub_impressions", "no_clicks", "no_orders",
  "no_paid_orders", "no_buyers", "no_live_time", "interval_unstable",
] as const;

/** Why a figure is missing, in words. */
export function whyText(why: string): string {
  const known = WHY.find((code) => code === why);
  return known === undefined ? why : page(`why.${known}`);
}

/** A metric's name for people; what is no ratio of ours keeps the baseline file's words. */
export function measureText(measure: string): string {
  const known = RATIOS.find((ratio): ratio is RatioName => ratio === measure);
  return known === undefined ? measure : name(known);
}

function shown(key: string, value: unknown): string {
  if (typeof value === "number") return decimal(value);
  const text = String(value);
  if (key === "why") return whyText(text);
  if (key === "measure" || key === "metric") return measureText(text);
  // `baseline` is a currency where currencies differ, else the id of a row.
  if (key === "baseline") return baselineText(text);
  return text;
}

/** One message as a clause; a key this page does not know yet stays readable as itself. */
export function messageText(message: Message): string {
  const key = KEYS.find((known) => known === message.key);
  if (key === undefined) return message.key;
  const params = Object.fromEntries(Object.entries(message.params).map(([name, value]) => [name, shown(name, value)]));
  return (t as (key: Key, params: P) => string)(key, params);
}

/** Messages as text: clauses of one verdict in one sentence, a remark about something else in its own. */
export function sentence(messages: readonly Message[]): string {
  const [joint, end, space] = lang() === "zh" ? ["；", "。", ""] : ["; ", ".", " "];
  const sentences: string[][] = [];
  for (const message of messages) {
    const last = sentences.at(-1);
    if (last === undefined || message.key.startsWith("history.")) sentences.push([messageText(message)]);
    else last.push(messageText(message));
  }
  return sentences.map((clauses) => clauses.join(joint)).map((text) => text.charAt(0).toUpperCase() + text.slice(1) + end).join(space);
}

