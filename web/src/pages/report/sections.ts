// The report's other sections: money and audience tiles, funnel, every metric, products, phases, attribution, trust.
import { html, nothing, type TemplateResult } from "lit";
import { RATIOS, type Bucket, type Ratio, type Report, type Sales } from "../../api/report.js";
import { amount, count, decimal, duration, percent } from "../../format/index.js";
import { given, intervalText, money, ratioText, windowText } from "./figures.js";
import { infoTip } from "./info_tip.js";
import { t } from "./messages.js";
import { definition, name, total } from "./metrics.js";

/** Titles of products by id; what is no longer in the pool has none. */
export type Titles = ReadonlyMap<string, { readonly title: string; readonly image: string | null }>;

function tile(id: Parameters<typeof total>[0], label: string, value: string, note?: string): TemplateResult {
  return html`<div class="tile"><span class="tile-label">${label} ${infoTip(`t-${id}`, label, total(id))}</span>
    <span class="tile-value">${value}</span>${note === undefined ? nothing : html`<span class="tile-note">${note}</span>`}</div>`;
}

export function moneySection(report: Report): TemplateResult {
  const { money: m, counts: c } = report;
  return html`<section aria-labelledby="h-money"><h2 id="h-money" class="section-title">${t("money.title")}</h2><div class="tiles">
    ${tile("gmv_paid", t("money.gmv_paid"), amount(m.gmv_paid), t("money.units", { n: c.units_paid }))}
    ${tile("gmv_net", t("money.gmv_net"), amount(m.gmv_net), t("money.net.note", { refunded: amount(given(report)) }))}
    ${tile("gmv_placed", t("money.gmv_placed"), amount(m.gmv_placed))}
    ${tile("orders", t("money.orders"), count(c.orders_paid), t("money.orders.note", { placed: count(c.orders_placed) }))}
    ${tile("buyers", t("money.buyers"), count(c.buyers))}
  </div></section>`;
}

export function audienceSection(report: Report): TemplateResult {
  const a = report.audience;
  return html`<section aria-labelledby="h-audience"><h2 id="h-audience" class="section-title">${t("audience.title")}</h2><div class="tiles">
    ${tile("viewers", t("audience.viewers"), count(a.viewers), t("audience.views", { views: count(a.views), long: count(a.long_views) }))}
    ${tile("pcu", t("audience.pcu"), count(a.pcu))}
    ${tile("acu", t("audience.acu"), a.acu === null ? "–" : decimal(a.acu))}
    ${tile("watch_avg", t("audience.watch"), a.watch_avg_ms === null ? "–" : duration(a.watch_avg_ms))}
    ${tile("live_time", t("audience.live"), duration(report.live.live_ms))}
  </div></section>`;
}

export function funnelSection(report: Report): TemplateResult {
  const { counts: c } = report;
  const steps = [
    { label: t("funnel.viewers"), n: report.audience.viewers, ratio: null },
    { label: t("funnel.impressed"), n: c.impressed_viewers, ratio: null },
    { label: t("funnel.clicked"), n: c.clicking_viewers, ratio: report.ratios.ctr_uv },
    { label: t("funnel.ordered"), n: c.ordering_viewers, ratio: report.ratios.click_to_order },
    { label: t("funnel.bought"), n: c.buyers, ratio: null },
  ];
  const most = Math.max(1, ...steps.map(({ n }) => n));
  return html`<section class="card report-card" aria-labelledby="h-funnel">
    <header class="report-head"><h2 id="h-funnel">${t("funnel.title")}</h2></header>
    <ol class="funnel">${steps.map((step, index) => {
      const before = steps[index - 1]?.n ?? 0;
      return html`<li><div class="row between funnel-text"><span>${step.label}</span><span class="num strong">${count(step.n)}</span></div>
        <div class="funnel-track" aria-hidden="true"><div class="funnel-bar" .style=${`width: ${((step.n / most) * 100).toFixed(2)}%`}></div></div>
        ${index === 0 ? nothing : html`<p class="xsmall faint">${before === 0 ? nothing : step.n > before ? t("funnel.more") : t("funnel.of", { share: percent(step.n / before) })}${step.ratio === null ? nothing : interval(step.ratio, report)}</p>`}</li>`;
    })}</ol>
  </section>`;
}

function interval(ratio: Ratio, report: Report): TemplateResult | typeof nothing {
  return ratio.low === null ? nothing : html` · ${t("interval", { range: intervalText(ratio, report) })}`;
}

export function metricsSection(report: Report): TemplateResult {
  return html`<section class="card report-card" aria-labelledby="h-metrics">
    <header class="report-head"><h2 id="h-metrics">${t("metrics.title")}</h2><p class="small muted">${t("metrics.lead")}</p></header>
    <div class="table-wrap" tabindex="0" role="group" aria-labelledby="h-metrics"><table class="table metrics-table">
      <thead><tr><th scope="col">${t("metrics.name")}</th><th scope="col" class="end">${t("metrics.value")}</th><th scope="col" class="end">${t("metrics.interval")}</th><th scope="col" class="end">${t("metrics.n")}</th></tr></thead>
      <tbody>${RATIOS.map((key) => {
        const ratio = report.ratios[key];
        return html`<tr><th scope="row"><span class="metric-name">${name(key)}</span> ${infoTip(`m-${key}`, name(key), definition(key))}<span class="xsmall faint block metric-def">${definition(key)}</span></th>
          <td class="end ${ratio.value === null ? "faint" : "strong"}">${ratioText(ratio, report)}</td>
          <td class="end" title=${ratio.method === null ? "" : t(`method.${ratio.method}`)}>${intervalText(ratio, report)}</td><td class="end faint">${count(ratio.n)}</td></tr>`;
      })}</tbody>
    </table></div></section>`;
}

export function productsSection(report: Report, titles: Titles): TemplateResult {
  const all = report.money.gmv_paid.minor;
  return html`<section class="card report-card" aria-labelledby="h-products">
    <header class="report-head"><h2 id="h-products">${t("products.title")}</h2></header>
    ${report.products.length === 0 ? html`<p class="muted report-none">${t("products.none")}</p>` : html`<div class="table-wrap" tabindex="0" role="group" aria-labelledby="h-products"><table class="table">
      <thead><tr><th scope="col">${t("products.name")}</th><th scope="col" class="end">${t("products.impressions")}</th><th scope="col" class="end">${t("products.clicks")}</th>
        <th scope="col" class="end">${t("products.orders")}</th><th scope="col" class="end">${t("products.units")}</th><th scope="col" class="end">${t("products.paid")}</th><th scope="col" class="end">${t("products.net")}</th><th scope="col" class="end">${t("products.share")}</th></tr></thead>
      <tbody>${report.products.map((item) => {
        const known = titles.get(item.product);
        return html`<tr><td class="product-cell">${known?.title ?? html`<span class="faint">${t("products.gone")}</span>`}</td>
          <td class="end">${count(item.impressions)}</td><td class="end">${count(item.clicks)}</td><td class="end">${count(item.sales.paid_orders)}</td><td class="end">${count(item.sales.units)}</td>
          <td class="end strong">${amount(item.sales.gmv_paid)}</td><td class="end">${amount(item.sales.gmv_net)}</td><td class="end faint">${all === 0 ? "–" : percent(item.sales.gmv_paid.minor / all)}</td></tr>`;
      })}</tbody></table></div>`}
  </section>`;
}

const salesHead = (): TemplateResult => html`<th scope="col" class="end">${t("sales.orders")}</th><th scope="col" class="end">${t("sales.paid")}</th><th scope="col" class="end">${t("sales.buyers")}</th><th scope="col" class="end">${t("money.gmv_paid")}</th><th scope="col" class="end">${t("money.gmv_net")}</th>`;
const salesCells = (sales: Sales): TemplateResult => html`<td class="end">${count(sales.orders)}</td><td class="end">${count(sales.paid_orders)}</td><td class="end">${count(sales.buyers)}</td><td class="end strong">${amount(sales.gmv_paid)}</td><td class="end">${amount(sales.gmv_net)}</td>`;

export function phasesSection(report: Report): TemplateResult {
  const parts = ["before_live", "in_live", "after_live"] as const;
  const scenes = ["live", "replay"] as const;
  return html`<section class="card report-card" aria-labelledby="h-phases">
    <header class="report-head"><h2 id="h-phases">${t("phases.title")}</h2></header>
    <div class="table-wrap" tabindex="0" role="group" aria-labelledby="h-phases"><table class="table"><thead><tr><th scope="col">${t("phases.part")}</th>${salesHead()}</tr></thead>
      <tbody>${parts.map((part) => html`<tr><th scope="row">${t(`phases.${part}`)}</th>${salesCells(report.phases[part])}</tr>`)}</tbody></table></div>
    <header class="report-head"><h2>${t("scenes.title")}</h2></header>
    <div class="table-wrap" tabindex="0" role="group" aria-labelledby="h-phases"><table class="table"><thead><tr><th scope="col">${t("phases.part")}</th><th scope="col" class="end">${t("scenes.viewers")}</th><th scope="col" class="end">${t("scenes.watch")}</th>${salesHead()}</tr></thead>
      <tbody>${scenes.map((scene) => {
        const one = report.scenes[scene];
        return html`<tr><th scope="row">${t(`scenes.${scene}`)}</th><td class="end">${count(one.viewers)}</td><td class="end">${duration(one.watch_ms)}</td>${salesCells(one.sales)}</tr>`;
      })}</tbody></table></div>
  </section>`;
}

export function attributionSection(report: Report): TemplateResult {
  const { attribution: a } = report;
  const most = Math.max(1, ...a.windows.map(({ gmv_paid }) => gmv_paid.minor));
  const lost = a.unattributed.click_unknown + a.unattributed.click_other_seller + a.unattributed.no_click + a.unattributed.too_old;
  return html`<section class="card report-card" aria-labelledby="h-attribution">
    <header class="report-head"><h2 id="h-attribution">${t("attribution.title")}</h2><p class="small muted">${t("attribution.lead", { window: windowText(a.window_ms) })}</p></header>
    <div class="table-wrap" tabindex="0" role="group" aria-labelledby="h-attribution"><table class="table attribution-table">
      <thead><tr><th scope="col">${t("attribution.window")}</th><th scope="col"><span class="sr-only">${t("money.gmv_paid")}</span></th><th scope="col" class="end">${t("attribution.orders")}</th><th scope="col" class="end">${t("sales.buyers")}</th><th scope="col" class="end">${t("money.gmv_paid")}</th><th scope="col" class="end">${t("money.gmv_net")}</th></tr></thead>
      <tbody>${a.windows.map((one) => html`<tr class=${one.window_ms === a.window_ms ? "is-chosen" : ""}>
        <th scope="row">${windowText(one.window_ms)} ${one.window_ms === a.window_ms ? html`<span class="badge badge-accent">${t("attribution.chosen")}</span>` : nothing}</th>
        <td class="attribution-bar" aria-hidden="true"><div class="funnel-track"><div class="funnel-bar" .style=${`width: ${((one.gmv_paid.minor / most) * 100).toFixed(2)}%`}></div></div></td>
        <td class="end">${count(one.paid_orders)}</td><td class="end">${count(one.buyers)}</td><td class="end strong">${amount(one.gmv_paid)}</td><td class="end">${amount(one.gmv_net)}</td></tr>`)}</tbody>
    </table></div>
    <p class="small muted report-foot">${t("attribution.by", { click: count(a.by.click_id), viewer: count(a.by.viewer) })} ${t("attribution.unattributed", { n: lost })}</p>
  </section>`;
}

export function trustSection(report: Report): TemplateResult {
  const { trust, excluded, reconciliation: r } = report;
  const line = (label: string, value: string): TemplateResult => html`<dt>${label}</dt><dd class="mono xsmall">${value === "" ? "–" : value}</dd>`;
  const part = (label: string, bucket: Bucket): TemplateResult => html`<tr><th scope="row">${label}</th><td class="end">${count(bucket.orders)}</td><td class="end">${count(bucket.paid_orders)}</td>
    <td class="end">${money(bucket.gmv_paid, report)}</td><td class="end">${money(bucket.given_back, report)}</td></tr>`;
  return html`<section class="card report-card" aria-labelledby="h-trust">
    <header class="report-head"><h2 id="h-trust">${t("trust.title")}</h2><p class="small muted">${t("trust.lead")}</p></header>
    <div class="trust-grid">
      <dl class="facts trust-facts">${line(t("trust.signature"), trust.signature)}${line(t("trust.rows"), trust.rows_sha256)}${line(t("trust.baselines"), trust.baselines_version)}${line(t("trust.settings"), trust.settings_sha256)}
        ${line(t("trust.history"), trust.history_sha256)}${line(t("trust.code"), trust.code_version)}${line(t("trust.seed"), `${trust.seed} · ${trust.resamples} · ${trust.generator}`)}
        <dt>${t("trust.excluded")}</dt><dd class="small">${t("trust.excluded.text", { viewers: count(excluded.viewers), clicks: count(excluded.clicks), orders: count(excluded.orders) })}</dd></dl>
      <div><h3 class="small strong">${t("trust.ledger")}</h3><div class="table-wrap" tabindex="0" role="group" aria-labelledby="h-trust"><table class="table">
        <thead><tr><th scope="col">${t("trust.part")}</th><th scope="col" class="end">${t("sales.orders")}</th><th scope="col" class="end">${t("sales.paid")}</th><th scope="col" class="end">${t("money.gmv_paid")}</th><th scope="col" class="end">${t("trust.given")}</th></tr></thead>
        <tbody>${part(t("trust.counted"), r.counted)}${part(t("trust.unattributed"), r.unattributed)}${part(t("trust.excluded.row"), r.excluded)}${part(t("trust.outside"), r.outside_window)}</tbody>
      </table></div></div>
    </div>
  </section>`;
}
