// <report-curves>: paid GMV per minute by order time and by click time, and viewers at once, on one time axis.

import { html, nothing, svg, type SVGTemplateResult, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import type { Report } from "../../api/report.js";
import { amount, count, time } from "../../format/index.js";
import { define, PageElement } from "../../ui/index.js";
import { t } from "./messages.js";
import { binsOf, greatest, linePath, spanOf, summed, ticks, wholeTicks, type Bins } from "./scale.js";

const RIGHT = 12;
const SALES_H = 200;
const AUDIENCE_H = 96;
const MOST_BINS = 120;
const AFTER_MS = 15 * 60_000;
const NARROW = 320;
const PRINT_WIDTH = 1200;
const LABEL_PX = 52;
const WIDEST_BAR = 28;
// A line through one or two minutes needs its points marked to be seen.
const FEW_BINS = 30;

interface Series {
  readonly bins: Bins;
  readonly order: readonly number[];
  readonly click: readonly number[];
  readonly peak: readonly (number | null)[];
  readonly average: readonly (number | null)[];
  readonly outsideOrder: number;
  readonly outsideClick: number;
}

function seriesOf(report: Report): Series | null {
  const { by_order_time: order, by_click_time: click, audience } = report.curves;
  const span = spanOf(report.live.intervals, [...order.minute_ms, ...click.minute_ms, ...audience.minute_ms], AFTER_MS);
  if (span === null) return null;
  const bins = binsOf(span, MOST_BINS);
  const byOrder = summed(order.minute_ms, order.gmv_paid_minor, bins);
  const byClick = summed(click.minute_ms, click.gmv_paid_minor, bins);
  return {
    bins,
    order: byOrder.values,
    click: byClick.values,
    peak: greatest(audience.minute_ms, audience.peak, bins),
    average: greatest(audience.minute_ms, audience.average, bins),
    outsideOrder: byOrder.outside,
    outsideClick: byClick.outside,
  };
}

export class ReportCurves extends PageElement {
  @property({ attribute: false }) report!: Report;
  @state() private width = 720;
  @state() private at: number | null = null;
  // Paper is as wide as it is, whatever the screen was: the plots are drawn anew for it.
  private readonly onPrint = (): void => {
    this.at = null;
    this.width = PRINT_WIDTH;
    this.performUpdate();
  };
  private readonly resized = new ResizeObserver(([entry]) => {
    const width = Math.round(entry?.contentRect.width ?? 0);
    if (width > 0) this.width = Math.max(NARROW, width);
  });

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("beforeprint", this.onPrint);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("beforeprint", this.onPrint);
    this.resized.disconnect();
  }

  protected override firstUpdated(): void {
    const plot = this.querySelector(".plot");
    if (plot !== null) this.resized.observe(plot);
  }

  private money(minor: number, compact = false): string {
    return amount({ minor, currency: this.report.currency }, { compact });
  }

  /** Room for the longest label of the money axis: currencies differ in length. */
  private left = 64;

  private step(): number {
    return this.width - this.left - RIGHT;
  }

  private onMove(event: PointerEvent, bins: number): void {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.width - this.left;
    this.at = Math.min(bins - 1, Math.max(0, Math.floor((x / this.step()) * bins)));
  }

  private onKey(event: KeyboardEvent, bins: number): void {
    const now = this.at ?? -1;
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: bins - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.at = Math.min(bins - 1, Math.max(0, next));
  }

  protected override render(): TemplateResult {
    const series = seriesOf(this.report);
    return html`<section class="card report-card" aria-labelledby="h-curve">
      <header class="report-head"><h2 id="h-curve">${t("curve.title")}</h2><p class="small muted">${t("curve.note")}</p></header>
      <div class="plot">${series === null ? html`<p class="muted">${t("curve.none")}</p>` : this.plot(series)}</div>
      ${series === null ? nothing : this.table(series)}
    </section>`;
  }

  private plot(series: Series): TemplateResult {
    const bins = series.bins.starts.length;
    const minutes = series.bins.stepMs / 60_000;
    const at = this.at === null ? null : Math.min(this.at, bins - 1);
    const labels = ticks(Math.max(0, ...series.order, ...series.click), 4).map((value) => this.money(value, true).length);
    this.left = Math.max(40, 16 + 7 * Math.max(...labels));
    const sold = series.order.some((value) => value > 0) || series.click.some((value) => value > 0);
    const outside = series.outsideOrder > 0 || series.outsideClick > 0;
    return html`<div class="legend small">
        <span class="key key-order">${t("curve.order")}</span><span class="key key-click">${t("curve.click")}</span>
        <span class="faint">${t("curve.step", { n: minutes })}</span>
      </div>
      <p class="plot-readout small num" role="status">${at === null ? html`<span class="faint no-print">${t("curve.keys")}</span>` : this.readout(series, at)}</p>
      ${sold ? this.sales(series, at) : html`<p class="muted plot-none">${t("curve.none")}</p>`}
      <p class="legend small"><span class="key key-peak">${t("curve.audience")}: ${t("curve.audience.peak")}</span><span class="key key-average">${t("curve.audience.average")}</span></p>
      ${this.audience(series, at)}
      ${outside ? html`<p class="xsmall faint">${t("curve.outside", { order: this.money(series.outsideOrder), click: this.money(series.outsideClick) })}</p>` : nothing}`;
  }

  private readout(series: Series, at: number): TemplateResult {
    return html`<span class="strong">${time(series.bins.starts[at] ?? 0)}</span> · ${t("curve.order")} ${this.money(series.order[at] ?? 0)} · ${t("curve.click")} ${this.money(series.click[at] ?? 0)} · ${t("curve.audience")} ${count(series.peak[at] ?? 0)}`;
  }

  private frame(series: Series, height: number, at: number | null, marks: readonly number[], label: (value: number) => string, body: SVGTemplateResult, name: string, bottom: boolean): TemplateResult {
    const total = height + (bottom ? 26 : 10);
    const most = marks.at(-1) ?? 1;
    const y = (value: number): number => 6 + (height - 6) * (1 - value / most);
    const slot = this.step() / series.bins.starts.length;
    return html`<svg class="curve" viewBox="0 0 ${this.width} ${total}" tabindex="0" role="img" aria-label=${name}
      @pointermove=${(event: PointerEvent) => this.onMove(event, series.bins.starts.length)} @pointerleave=${() => (this.at = null)} @keydown=${(event: KeyboardEvent) => this.onKey(event, series.bins.starts.length)}>
      ${marks.map((value) => svg`<line class="plot-grid" x1=${this.left} x2=${this.width - RIGHT} y1=${y(value)} y2=${y(value)}></line><text class="plot-tick" x=${this.left - 8} y=${y(value) + 4} text-anchor="end">${label(value)}</text>`)}
      ${at === null ? nothing : svg`<rect class="plot-cursor" x=${this.left + at * slot} y="6" width=${slot} height=${height - 6}></rect>`}
      ${body}
      ${bottom ? this.times(series, slot, total) : nothing}
    </svg>`;
  }

  private times(series: Series, slot: number, total: number): SVGTemplateResult {
    const starts = series.bins.starts;
    const most = Math.max(2, Math.floor(this.step() / 90));
    const every = Math.max(1, Math.ceil(starts.length / most));
    const places = starts
      .map((start, index) => ({ start, index }))
      .filter(({ index }) => index % every === 0 && index * slot < this.step() - LABEL_PX);
    return svg`${places.map(({ start, index }) => svg`<text class="plot-tick" x=${this.left + index * slot} y=${total - 6} text-anchor="start">${time(start)}</text>`)}`;
  }

  private sales(series: Series, at: number | null): TemplateResult {
    const marks = ticks(Math.max(...series.order, ...series.click, 0), 4);
    const most = marks.at(-1) ?? 1;
    const y = (value: number): number => 6 + (SALES_H - 6) * (1 - value / most);
    const slot = this.step() / series.order.length;
    const bar = Math.max(1, Math.min(WIDEST_BAR, slot * 0.76));
    const dots = series.click.length > FEW_BINS ? nothing : series.click.map((value, index) => svg`<circle class="dot-click" cx=${this.left + (index + 0.5) * slot} cy=${y(value)} r="3.5"></circle>`);
    const body = svg`${series.order.map((value, index) => value === 0 ? nothing : svg`<rect class="bar-order" x=${this.left + (index + 0.5) * slot - bar / 2} y=${y(value)} width=${bar} height=${SALES_H - y(value)}></rect>`)}
      <path class="line-click" d=${linePath(series.click, (index) => this.left + (index + 0.5) * slot, y)}></path>${dots}`;
    return this.frame(series, SALES_H, at, marks, (value) => this.money(value, true), body, `${t("curve.order")}, ${t("curve.click")}`, false);
  }

  private audience(series: Series, at: number | null): TemplateResult {
    const marks = wholeTicks(Math.max(0, ...series.peak.map((value) => value ?? 0)), 3);
    const most = marks.at(-1) ?? 1;
    const y = (value: number): number => 6 + (AUDIENCE_H - 6) * (1 - value / most);
    const slot = this.step() / series.peak.length;
    const x = (index: number): number => this.left + (index + 0.5) * slot;
    const dots = series.peak.length > FEW_BINS ? nothing : series.peak.map((value, index) => value === null ? nothing : svg`<circle class="dot-peak" cx=${x(index)} cy=${y(value)} r="3.5"></circle>`);
    const body = svg`<path class="line-peak" d=${linePath(series.peak, x, y)}></path><path class="line-average" d=${linePath(series.average, x, y)}></path>${dots}`;
    return this.frame(series, AUDIENCE_H, at, marks, count, body, t("curve.audience"), true);
  }

  private table(series: Series): TemplateResult {
    const rows = series.bins.starts.map((start, index) => ({ start, index })).filter(({ index }) => (series.order[index] ?? 0) > 0 || (series.click[index] ?? 0) > 0 || (series.peak[index] ?? 0) > 0);
    return html`<details class="plot-table no-print"><summary>${t("curve.table")}</summary>
      <div class="table-wrap" tabindex="0" role="group" aria-labelledby="h-curve"><table class="table">
        <thead><tr><th scope="col">${t("curve.minute")}</th><th scope="col" class="end">${t("curve.order")}</th><th scope="col" class="end">${t("curve.click")}</th><th scope="col" class="end">${t("curve.audience")}</th></tr></thead>
        <tbody>${rows.map(({ start, index }) => html`<tr><td>${time(start)}</td><td class="end">${this.money(series.order[index] ?? 0)}</td><td class="end">${this.money(series.click[index] ?? 0)}</td><td class="end">${count(series.peak[index] ?? 0)}</td></tr>`)}</tbody>
      </table></div></details>`;
  }
}

define("report-curves", ReportCurves);

declare global {
  interface HTMLElementTagNameMap {
    "report-curves": ReportCurves;
  }
}
