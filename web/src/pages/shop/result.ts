// The result step: what became of the order, by the server's word, and what the buyer can do next.
import { html, nothing, type TemplateResult } from "lit";
import type { Order } from "../../api/types.js";
import { formatClock } from "../../format/dates.js";
import { icon, type IconName } from "../../ui/index.js";
import { outcomeOf, tellingOf } from "./intent.js";
import { reasonText, t } from "./messages.js";
import { footBar, stepHeading, type MoneyText } from "./parts.js";

export function resultView(step: {
  order: Order;
  nowMs: number;
  money: MoneyText;
  busy: boolean;
  canPay: boolean;
  problem: TemplateResult | typeof nothing;
  retry: () => void;
  again: () => void;
  close: () => void;
}): TemplateResult {
  const { order, money } = step;
  const left = order.expires_ms - step.nowMs;
  const outcome = tellingOf(outcomeOf(order), step.problem !== nothing, left);
  const open = outcome === "failed" || outcome === "unpaid";
  const canRetry = open && step.canPay;
  const { title, text, mark } = words(outcome);
  return html`<main class="shop"><div class="shop-body">
    <div class="outcome outcome-${outcome}" data-outcome=${outcome} role="status">
      <span class="outcome-mark">${icon(mark)}</span>${stepHeading(title)}
      ${outcome === "failed" && order.payment.failure ? html`<p class="strong">${reasonText(order.payment.failure)}</p>` : nothing}
      <p class="muted">${text}</p>
      ${open ? html`<p class="badge num">${icon("clock")}${t("held", { clock: formatClock(left) })}</p>` : nothing}
    </div>
    <section class="card receipt">
      ${order.lines.map((line) => html`<div class="receipt-line"><span class="grow">${line.title} <span class="muted num">× ${line.quantity}</span></span><span class="num">${money(line.total)}</span></div>`)}
      <dl class="sums">
        ${order.discount.minor > 0 ? sum(t("discount"), `−${money(order.discount)}`) : nothing}
        ${sum(t("shipping"), order.shipping.minor === 0 ? t("free") : money(order.shipping))}
        ${order.tax.minor > 0 ? sum(t("tax"), money(order.tax)) : nothing}
        <div class="sum-total"><dt>${t("total")}</dt><dd class="num" data-total>${money(order.total)}</dd></div>
      </dl>
      <p class="receipt-id small muted">${t("order-no")} <span class="mono" data-order>${order.id}</span></p>
    </section>
    ${step.problem}</div>
    ${footBar(html`
      ${canRetry ? html`<button type="button" class="btn btn-accent btn-lg grow ${step.busy ? "is-busy" : ""}" data-retry ?disabled=${step.busy} @click=${step.retry}><span>${t("retry")}</span></button>` : nothing}
      ${outcome === "cancelled" || outcome === "expired" ? html`<button type="button" class="btn btn-accent btn-lg grow" @click=${step.again}>${t("again")}</button>` : nothing}
      <button type="button" class="btn ${outcome === "paid" || outcome === "processing" || outcome === "unsure" || outcome === "refunded" ? "btn-primary grow" : ""} btn-lg" data-close @click=${step.close}>${t("watch")}</button>`)}
  </main>`;
}

const sum = (label: string, value: string): TemplateResult => html`<div><dt>${label}</dt><dd class="num">${value}</dd></div>`;

function words(outcome: ReturnType<typeof tellingOf>): { title: string; text: string; mark: IconName } {
  switch (outcome) {
    case "paid": return { title: t("paid.title"), text: t("paid.text"), mark: "check" };
    case "processing": return { title: t("processing.title"), text: t("processing.text"), mark: "clock" };
    case "failed": return { title: t("failed.title"), text: t("failed.text"), mark: "alert" };
    case "unpaid": return { title: t("unpaid.title"), text: t("unpaid.text"), mark: "card" };
    case "cancelled": return { title: t("cancelled.title"), text: t("cancelled.text"), mark: "close" };
    case "unsure": return { title: t("unsure.title"), text: t("unsure.text"), mark: "clock" };
    case "expired": return { title: t("held.over"), text: t("cancelled.text"), mark: "clock" };
    case "refunded": return { title: t("refunded.title"), text: t("refunded.text"), mark: "refresh" };
  }
}
