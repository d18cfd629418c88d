// <studio-numbers>: what the show earns while it runs, as the server counts it.

import { html, nothing, svg, type TemplateResult } from "lit";
import { property } from "lit/decorators.js";
import type { Numbers } from "../../api/types.js";
import { amount, compact, count, time } from "../../format/index.js";
import { define, PageElement, tile } from "../../ui/index.js";
import { lastMinutes } from "./minutes.js";
import { t } from "./room_messages.js";

const SHOWN_MINUTES = 40;

export class StudioNumbers extends PageElement {
  @property({ attribute: false }) numbers: Numbers | null = null;
  /** The newest counts come with each tick, before the next `numbers` frame. */
  @property({ type: Number }) viewers = 0;
  @property({ type: Number }) likes = 0;

  protected override render(): TemplateResult {
    const n = this.numbers;
    const none = "–";
    return html`<section aria-label=${t("panel.numbers")}>
      <div class="tiles">
        ${tile({ icon: "money", label: t("num.gmv"), value: n === null ? none : amount(n.gmv_paid, { compact: true }) })}
        ${tile({ icon: "bag", label: t("num.orders"), value: n === null ? none : compact(n.orders_paid), note: n === null ? none : t("num.orders.note", { paid: count(n.orders_paid), placed: count(n.orders_placed) }) })}
        ${tile({ icon: "tag", label: t("num.clicks"), value: n === null ? none : compact(n.clicks) })}
        ${tile({ icon: "eye", label: t("num.viewers"), value: compact(this.viewers), note: n === null ? none : t("num.peak", { n: count(Math.max(n.peak, this.viewers)) }) })}
        ${tile({ icon: "heart", label: t("num.likes"), value: compact(this.likes) })}
      </div>
      ${n === null ? nothing : this.minutes(n)}
      ${n === null || n.products.length === 0 ? nothing : this.products(n)}
    </section>`;
  }

  private minutes(n: Numbers): TemplateResult {
    const bars = lastMinutes(n.gmv_minutes, SHOWN_MINUTES);
    const best = Math.max(0, ...bars.map(([, minor]) => minor));
    const money = (minor: number): string => amount({ minor, currency: n.gmv_paid.currency });
    const label = t("num.minutes.text", { n: bars.length, best: money(best) });
    return html`<figure class="card card-pad spark">
      <figcaption class="row between"><span class="small strong">${t("num.minutes")}</span>
        <span class="xsmall faint">${best === 0 ? t("num.none") : label}</span></figcaption>
      ${best === 0 ? nothing : html`<svg viewBox="0 0 ${SHOWN_MINUTES * 10} 64" preserveAspectRatio="none" role="img" aria-label=${label}>
        ${bars.map(([minute, minor], index) => {
          const height = minor === 0 ? 1 : Math.max(3, (minor / best) * 62);
          const x = (SHOWN_MINUTES - bars.length + index) * 10 + 1;
          return svg`<rect class=${minor === 0 ? "is-none" : ""} x=${x} y=${64 - height} width="8" height=${height}><title>${time(minute)} · ${money(minor)}</title></rect>`;
        })}
      </svg>`}
    </figure>`;
  }

  private products(n: Numbers): TemplateResult {
    return html`<div class="card table-wrap"><table class="table">
      <caption class="sr-only">${t("num.products")}</caption>
      <thead><tr><th scope="col">${t("num.product")}</th><th scope="col" class="end">${t("num.clicks")}</th>
        <th scope="col" class="end">${t("num.orders")}</th><th scope="col" class="end">${t("num.gmv")}</th></tr></thead>
      <tbody>${n.products.map((item) => html`<tr><td class="product-cell"><span class="clamp-2">${item.title}</span></td>
        <td class="end">${count(item.clicks)}</td><td class="end">${count(item.orders)}</td><td class="end">${amount(item.gmv_paid)}</td></tr>`)}</tbody>
    </table></div>`;
  }
}

define("studio-numbers", StudioNumbers);

declare global {
  interface HTMLElementTagNameMap {
    "studio-numbers": StudioNumbers;
  }
}
