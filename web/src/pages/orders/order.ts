// <studio-order>: one order with its items, payment, refunds and ledger entries.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { orders } from "../../api/client.js";
import { ApiError } from "../../api/errors.js";
import type { BrandOrderDetail, Money } from "../../api/types.js";
import { words } from "../../api/words.js";
import { amount, count, dateTime } from "../../format/index.js";
import { tc } from "../../i18n/common.js";
import { define, empty, icon, notice, PageElement, spinner, toast } from "../../ui/index.js";
import { ask } from "../studio/confirm.js";
import { paths } from "../studio/router.js";
import { t } from "./messages.js";
import "./orders.css";
import { orderBadge, shortId } from "./orders.js";
import "./refund_dialog.js";
import { mayCancel, mayFulfil, refundable } from "./states.js";

const PAYMENT_STATES = ["requires_payment_method", "requires_confirmation", "requires_action", "processing", "succeeded", "canceled"] as const;

export class StudioOrder extends PageElement {
  @property() order = "";
  @state() private detail: BrandOrderDetail | null = null;
  @state() private problem: unknown = null;
  @state() private refunding = false;
  @state() private busy = false;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("order")) return;
    this.detail = null;
    void this.load();
  }

  private async load(): Promise<void> {
    const id = this.order;
    this.problem = null;
    try {
      const got = await orders.get(id);
      if (id === this.order) this.detail = got;
    } catch (error) {
      if (id === this.order) this.problem = error;
    }
  }

  private async step(run: () => Promise<unknown>, done: string): Promise<void> {
    this.busy = true;
    try {
      await run();
      toast(done, "ok");
    } catch (error) {
      toast(words(error), "bad");
    } finally {
      this.busy = false;
      await this.load();
    }
  }

  private async cancel(order: BrandOrderDetail): Promise<void> {
    if (!(await ask({ title: t("cancel"), text: t("cancel.text"), action: t("cancel"), danger: true }))) return;
    await this.step(() => orders.cancel(order.id), t("cancel.done"));
  }

  protected override render(): TemplateResult {
    const back = html`<a class="back-link small" href=${paths.orders}>${icon("back")}<span>${t("back")}</span></a>`;
    if (this.problem instanceof ApiError && this.problem.status === 404) {
      return html`<div class="page stack">${back}${empty({ icon: "receipt", title: t("gone.title"), text: t("gone.text") })}</div>`;
    }
    if (this.problem !== null) {
      return html`<div class="page stack">${back}${notice("bad", html`${words(this.problem)} <button type="button" class="link" @click=${() => void this.load()}>${tc("act.retry")}</button>`)}</div>`;
    }
    const order = this.detail;
    if (order === null) return html`<div class="page stack">${back}<div class="center">${spinner()}</div></div>`;
    const left = refundable(order);
    return html`<div class="page stack">
      ${back}
      <header class="page-head">
        <div class="grow"><h1 title=${order.id}>${t("order", { id: shortId(order.id) })}</h1>
          <p class="row muted small">${orderBadge(order)}<span>${dateTime(order.placed_ms)}</span></p></div>
        <div class="row">
          ${mayCancel(order.state) ? html`<button type="button" class="btn btn-danger" ?disabled=${this.busy} @click=${() => void this.cancel(order)}>${t("cancel")}</button>` : nothing}
          ${left.minor > 0 ? html`<button type="button" class="btn" ?disabled=${this.busy} @click=${() => (this.refunding = true)}>${t("refund")}</button>` : nothing}
          ${mayFulfil(order.state) ? html`<button type="button" class="btn btn-primary" ?disabled=${this.busy} @click=${() => void this.step(() => orders.fulfil(order.id), t("fulfil.done"))}>${t("fulfil")}</button>` : nothing}
        </div>
      </header>
      <div class="order-grid">
        <div class="stack">${this.items(order)}${this.refunds(order)}${this.ledger(order)}</div>
        <div class="stack">${this.people(order)}${this.payment(order)}</div>
      </div>
      <refund-dialog .open=${this.refunding} .order=${order} @done=${() => (this.refunding = false)}
        @refunded=${() => { this.refunding = false; void this.load(); }}></refund-dialog>
    </div>`;
  }

  private items(order: BrandOrderDetail): TemplateResult {
    const sum = (label: string, money: Money, always = false, strong = false): TemplateResult | typeof nothing =>
      money.minor === 0 && !always ? nothing : html`<tr class=${strong ? "strong" : ""}><th scope="row" colspan="3" class="end">${label}</th><td class="end">${amount(money)}</td></tr>`;
    const minus = (money: Money): Money => ({ ...money, minor: -money.minor });
    return html`<section class="card"><header class="card-head"><h2 class="panel-title">${t("lines")}</h2></header>
      <div class="table-wrap" tabindex="0" role="region" aria-label=${t("lines")}><table class="table">
        <thead><tr><th scope="col">${t("line.product")}</th><th scope="col" class="end">${t("line.quantity")}</th><th scope="col" class="end">${t("line.unit")}</th><th scope="col" class="end">${t("line.total")}</th></tr></thead>
        <tbody>${order.lines.map((line) => html`<tr><td>${line.title}<span class="mono xsmall faint block">${line.sku}</span></td>
          <td class="end">${count(line.quantity)}</td><td class="end">${amount(line.unit_price)}</td><td class="end">${amount(line.total)}</td></tr>`)}</tbody>
        <tfoot>${sum(t("subtotal"), order.subtotal, true)}${sum(t("discount"), minus(order.discount))}${sum(t("shipping"), order.shipping)}${sum(t("tax"), order.tax)}
          ${sum(t("total"), order.total, true, true)}${sum(t("refunded"), minus(order.refunded))}
          ${order.refunded.minor === 0 ? nothing : sum(t("kept"), { ...order.total, minor: order.total.minor - order.refunded.minor }, true, true)}</tfoot>
      </table></div></section>`;
  }

  private refunds(order: BrandOrderDetail): TemplateResult | typeof nothing {
    if (order.paid_ms === null) return nothing;
    return html`<section class="card"><header class="card-head"><h2 class="panel-title">${t("refunds")}</h2></header>
      ${order.refunds.length === 0 ? html`<p class="card-pad small muted">${t("refunds.none")}</p>` : html`<div class="table-wrap" tabindex="0" role="region" aria-label=${t("refunds")}><table class="table">
        <thead class="sr-only"><tr><th scope="col">${t("ledger.at")}</th><th scope="col">${t("refund.reason")}</th><th scope="col">${t("refund.amount")}</th></tr></thead>
        <tbody>${order.refunds.map((refund) => html`<tr><td class="faint">${dateTime(refund.at_ms)}</td><td>${refund.reason ?? "–"}</td><td class="end">${amount(refund.amount)}</td></tr>`)}</tbody></table></div>`}
    </section>`;
  }

  private ledger(order: BrandOrderDetail): TemplateResult | typeof nothing {
    if (order.ledger.length === 0) return nothing;
    return html`<details class="card order-ledger"><summary class="card-head"><h2 class="panel-title">${t("ledger")}</h2><span class="xsmall faint">${t("ledger.lead")}</span></summary>
      <div class="table-wrap" tabindex="0" role="region" aria-label=${t("ledger")}><table class="table">
        <thead><tr><th scope="col">${t("ledger.at")}</th><th scope="col">${t("ledger.account")}</th><th scope="col" class="end">${t("ledger.amount")}</th></tr></thead>
        <tbody>${order.ledger.map((entry) => html`<tr><td class="faint">${dateTime(entry.at_ms)}</td><td class="mono">${entry.ledger_account}</td><td class="end">${amount(entry.amount)}</td></tr>`)}</tbody>
      </table></div></details>`;
  }

  private people(order: BrandOrderDetail): TemplateResult {
    return html`<section class="card card-pad stack"><h2 class="panel-title">${t("buyer")}</h2>
      <dl class="facts">
        <dt class="sr-only">${t("buyer")}</dt><dd>${order.buyer.name}<br /><a href="mailto:${order.buyer.email}">${order.buyer.email}</a></dd>
        <dt>${t("address")}</dt><dd class="pre-line">${order.buyer.address == null ? html`<span class="faint">${t("noaddress")}</span>` : order.buyer.address}</dd>
        <dt>${t("room")}</dt><dd><a href=${paths.room(order.room)}>${order.room}</a></dd>
        <dt title=${t("viewer.hint")}>${t("viewer")}</dt><dd class="mono xsmall" title=${t("viewer.hint")}>${order.viewer}</dd>
      </dl></section>`;
  }

  private payment(order: BrandOrderDetail): TemplateResult {
    const known = PAYMENT_STATES.find((name) => name === order.payment.state);
    return html`<section class="card card-pad stack"><h2 class="panel-title">${t("payment")}</h2>
      <dl class="facts">
        <dt class="sr-only">${t("payment")}</dt><dd><span class="badge ${known === "succeeded" ? "badge-ok" : known === "canceled" ? "" : "badge-info"}">${known === undefined ? order.payment.state : t(`pay.${known}`)}</span></dd>
        <dt>${t("payment.no")}</dt><dd class="mono xsmall">${order.trade_no}</dd>
        ${order.payment.failure === null ? nothing : html`<dt>${t("payment.failure")}</dt><dd class="mono">${order.payment.failure}</dd>`}
        <dt>${t("placed")}</dt><dd>${dateTime(order.placed_ms)}</dd>
        ${order.paid_ms === null ? nothing : html`<dt>${t("paid")}</dt><dd>${dateTime(order.paid_ms)}</dd>`}
        ${order.state === "placed" ? html`<dt>${t("expires")}</dt><dd>${dateTime(order.expires_ms)}</dd>` : nothing}
      </dl></section>`;
  }
}

define("studio-order", StudioOrder);

declare global {
  interface HTMLElementTagNameMap {
    "studio-order": StudioOrder;
  }
}
