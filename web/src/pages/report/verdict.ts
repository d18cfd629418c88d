// The headline, both readings of "per user" with their verdicts, and the plot and table of every comparison.
import { html, nothing, svg, type TemplateResult } from "lit";
import type { Comparison, Reading, Report } from "../../api/report.js";
import { decimal, percent, range, times } from "../../format/index.js";
import { baselineText } from "./baselines.js";
import { fractional, intervalText, ratioText } from "./figures.js";
import { infoTip } from "./info_tip.js";
import { t } from "./messages.js";
import { definition, name } from "./metrics.js";
import { logEnds, logPlace, logTicks } from "./scale.js";
import { measureText, messageText, sentence } from "./verdict_words.js";

const BAND_BADGE = { below: "badge-bad", in_band: "badge-ok", above: "badge-info", cannot_tell: "badge-warn" } as const;

/** The one sentence at the top. */
export function headline(report: Report): string {
  const first = report.judged.readings.find(({ reading }) => reading === "uv_value");
  const { low, high } = report.judged.target;
  if (first?.band != null) return t(`head.${first.band}`, { low: decimal(low), high: decimal(high) });
  const few = first?.messages.find(({ key }) => key === "reading.too_few_buyers");
  if (few !== undefined) return t("head.too_few", { buyers: report.counts.buyers, needed: Number(few.params["needed"] ?? 30) });
  return t("head.none");
}

export function verdictSection(report: Report): TemplateResult {
  return html`<section class="report-verdict" aria-labelledby="h-verdict">
    <h2 id="h-verdict" class="sr-only">${t("verdict.title")}</h2>
    <div class="verdict-pair">${report.judged.readings.map((reading) => card(reading, report))}</div>
    <p class="xsmall faint">${t("verdict.both")}</p>
  </section>`;
}

function card(reading: Reading, report: Report): TemplateResult {
  const ratio = report.ratios[reading.reading];
  const label = t(`verdict.${reading.reading}`);
  const best = reading.comparators[0];
  return html`<article class="card card-pad verdict-card">
    <header class="row between">
      <h3 class="verdict-name">${label} ${infoTip(`v-${reading.reading}`, name(reading.reading), definition(reading.reading))}</h3>
      <span class="badge ${reading.band === null ? "" : BAND_BADGE[reading.band]}">${reading.band === null ? t("band.none") : t(`band.${reading.band}`)}</span>
    </header>
    <p class="verdict-value num">${ratioText(ratio, report)}</p>
    <p class="small muted">${ratio.value === null ? name(reading.reading) : html`${name(reading.reading)} · ${t("interval", { range: intervalText(ratio, report) })}`}</p>
    ${ratio.trimmed === null ? nothing : html`<p class="xsmall faint">${t("trimmed", { value: fractional(ratio.trimmed, report) })}${ratio.largest_buyer_share === null ? nothing : html` · ${t("largest", { share: percent(ratio.largest_buyer_share) })}`}</p>`}
    <p class="verdict-words">${sentence(reading.messages)}</p>
    ${best !== undefined && best.status === "compared" && best.source !== "" ? html`<p class="xsmall faint">${t("compare.source")}: ${best.source}${best.note === "" ? nothing : html` (${best.note})`}</p>` : nothing}
  </article>`;
}

function title(comparison: Comparison): string {
  return comparison.comparator === "own_median" ? t("own_median") : baselineText(comparison.comparator);
}

export function compareSection(report: Report): TemplateResult {
  const own = report.judged.readings.flatMap(({ comparators }) => comparators.filter(({ comparator }) => comparator === "own_median"));
  const all = [...own, ...report.judged.comparisons];
  const drawn = all.filter((one) => one.status === "compared" && one.r !== null);
  const target = { low: decimal(report.judged.target.low), high: decimal(report.judged.target.high) };
  return html`<section class="card report-card" aria-labelledby="h-compare">
    <header class="report-head"><h2 id="h-compare">${t("compare.title")}</h2><p class="small muted">${t("compare.lead", target)}</p></header>
    ${drawn.length === 0 ? nothing : plot(drawn, report)}
    <div class="table-wrap" tabindex="0" role="group" aria-labelledby="h-compare"><table class="table compare-table">
      <thead><tr><th scope="col">${t("compare.baseline")}</th><th scope="col" class="end">${t("compare.figure")}</th><th scope="col" class="end">${t("compare.result")}</th><th scope="col">${t("compare.source")}</th></tr></thead>
      <tbody>${all.map((one) => row(one))}</tbody>
    </table></div>
  </section>`;
}

function figure(comparison: Comparison): string {
  const { low, centre, high, unit } = comparison;
  const ends = low !== null && high !== null && low !== high ? range(decimal(low), decimal(high)) : "";
  const middle = centre === null ? "" : decimal(centre);
  const text = middle === "" ? ends : ends === "" ? middle : `${middle} (${ends})`;
  return text === "" ? "–" : `${text} ${unit}`;
}

function row(one: Comparison): TemplateResult {
  const badge = one.status === "compared" ? "badge-ok" : "";
  return html`<tr>
    <td><span class="strong" title=${one.comparator}>${title(one)}</span><span class="xsmall faint block">${measureText(one.metric)} / ${one.denominator}${one.region === "" ? nothing : html` · ${one.region}`}${one.channel === "" ? nothing : html` · ${one.channel}`}</span>
      <span class="badge ${badge}">${t(`status.${one.status}`)}</span>${one.why === null ? nothing : html` <span class="xsmall muted">${messageText(one.why)}</span>`}</td>
    <td class="end">${figure(one)}</td>
    <td class="end">${one.r === null ? "–" : html`<span class="strong">${times(one.r)}</span>${one.r_low === null || one.r_high === null ? nothing : html`<span class="xsmall faint block">${range(times(one.r_low), times(one.r_high))}</span>`}
      ${one.outer_low === null || one.outer_high === null ? nothing : html`<span class="xsmall faint block">${t("compare.outer", { range: range(times(one.outer_low), times(one.outer_high)) })}</span>`}`}</td>
    <td class="compare-source"><span class="small">${one.source}${one.year === "" ? nothing : html`, ${one.year}`}</span>
      <span class="xsmall faint block">${one.confidence === null ? nothing : t("compare.confidence", { grade: one.confidence })}${one.note === "" ? nothing : html` · ${one.note}`}</span></td>
  </tr>`;
}

const W = 860;
const LEFT = 250;
const RIGHT = 24;
const ROW = 40;

/** Each comparison as centre, interval and outer band on one logarithmic axis, the target band shaded. */
function plot(drawn: readonly Comparison[], report: Report): TemplateResult {
  const { low: targetLow, high: targetHigh } = report.judged.target;
  const ends = drawn.flatMap((one) => [one.r, one.r_low, one.r_high, one.outer_low, one.outer_high]).filter((value) => value !== null);
  const [low, high] = logEnds([...ends, targetLow, targetHigh]);
  const size = W - LEFT - RIGHT;
  const x = (value: number): number => LEFT + logPlace(value, low, high, size);
  const height = drawn.length * ROW + 44;
  const words = drawn.map((one) => `${title(one)} ${times(one.r ?? 0)}`).join(", ");
  return html`<div class="plot plot-scroll" tabindex="0" role="group" aria-labelledby="h-compare"><svg viewBox="0 0 ${W} ${height}" role="img" aria-label=${words}>
    <rect class="plot-target" x=${x(targetLow)} y="8" width=${x(targetHigh) - x(targetLow)} height=${height - 40}></rect>
    <text class="plot-note" x=${(x(targetLow) + x(targetHigh)) / 2} y="20" text-anchor="middle">${t("compare.target")}</text>
    ${logTicks(low, high).map((value) => svg`<line class=${value === 1 ? "plot-one" : "plot-grid"} x1=${x(value)} x2=${x(value)} y1="26" y2=${height - 32}></line>
      <text class="plot-tick" x=${x(value)} y=${height - 16} text-anchor="middle">${times(value)}</text>`)}
    <text class="plot-note" x=${W - RIGHT} y=${height - 2} text-anchor="end">${t("compare.axis")}</text>
    ${drawn.map((one, index) => {
      const y = 26 + index * ROW + ROW / 2;
      const r = one.r ?? 0;
      return svg`<text class="plot-label" x="0" y=${y + 4}>${shorten(title(one))}</text>
        ${one.outer_low === null || one.outer_high === null ? nothing : svg`<line class="plot-outer" x1=${x(one.outer_low)} x2=${x(one.outer_high)} y1=${y} y2=${y}></line>`}
        ${one.r_low === null || one.r_high === null ? nothing : svg`<line class="plot-interval" x1=${x(one.r_low)} x2=${x(one.r_high)} y1=${y} y2=${y}></line>`}
        <circle class="plot-dot" cx=${x(r)} cy=${y} r="6"></circle>`;
    })}
  </svg></div>`;
}

const LABEL_CHARS = 36;

function shorten(text: string): string {
  return text.length <= LABEL_CHARS ? text : `${text.slice(0, LABEL_CHARS - 1)}…`;
}
