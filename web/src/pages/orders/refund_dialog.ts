// <refund-dialog>: money back to the buyer, in part or whole. One key per intent, kept while it is repeated.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { orders } from "../../api/client.js";
import { newIdempotencyKey } from "../../api/http.js";
import type { Money, Order } from "../../api/types.js";
import { fieldOf, words } from "../../api/words.js";
import { amount, parseAmount, toFeedPrice } from "../../format/index.js";
import { tc } from "../../i18n/common.js";
import { define, field, notice, PageElement, toast } from "../../ui/index.js";
import { t } from "./messages.js";
import { refundable } from "./states.js";

export class RefundDialog extends PageElement {
  @property({ type: Boolean }) open = false;
  @property({ attribute: false }) order: Order | null = null;
  @state() private partial = false;
  @state() private typed = "";
  @state() private reason = "";
  @state() private error: string | undefined;
  @state() private problem: string | null = null;
  @state() private busy = false;
  private key = "";
  // What the key stands for: another amount or reason is another intent and gets a key of its own.
  private intent = "";

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("open") || !this.open) return;
    this.partial = false;
    this.typed = "";
    this.reason = "";
    this.error = undefined;
    this.problem = null;
    this.intent = "";
  }

  private wanted(left: Money): Money | null {
    return this.partial ? parseAmount(this.typed, left.currency) : left;
  }

  private async submit(event: Event, order: Order): Promise<void> {
    event.preventDefault();
    const left = refundable(order);
    const money = this.wanted(left);
    this.problem = null;
    if (money === null || money.minor === 0) this.error = t("need.amount");
    else if (money.minor > left.minor) this.error = t("need.less", { amount: amount(left) });
    else {
      this.error = undefined;
      await this.refund(order, money);
    }
  }

  private async refund(order: Order, money: Money): Promise<void> {
    const reason = this.reason.trim();
    const input = { amount: toFeedPrice(money), ...(reason === "" ? {} : { reason }) };
    const intent = JSON.stringify([order.id, input]);
    if (intent !== this.intent) {
      this.intent = intent;
      this.key = newIdempotencyKey();
    }
    this.busy = true;
    try {
      await orders.refund(order.id, input, this.key);
      toast(t("refund.done", { amount: amount(money) }), "ok");
      this.dispatchEvent(new CustomEvent("refunded"));
    } catch (error) {
      if (fieldOf(error, ["amount"]) === null) this.problem = words(error);
      else this.error = words(error);
    } finally {
      this.busy = false;
    }
  }

  protected override render(): TemplateResult {
    const close = (): void => {
      this.dispatchEvent(new CustomEvent("done"));
    };
    return html`<ui-dialog .open=${this.open} heading=${t("refund.title")} @ui-close=${close}>
      ${this.order === null || !this.open ? nothing : this.form(this.order, close)}
    </ui-dialog>`;
  }

  private form(order: Order, close: () => void): TemplateResult {
    const left = refundable(order);
    const money = this.wanted(left);
    return html`<form class="stack form" novalidate @submit=${(event: Event) => void this.submit(event, order)}>
      ${this.problem === null ? nothing : notice("bad", this.problem)}
      <fieldset class="plain">
        <legend class="sr-only">${t("refund.amount")}</legend>
        <label class="check"><input type="radio" name="extent" .checked=${!this.partial} @change=${() => (this.partial = false)} />${t("refund.whole", { amount: amount(left) })}</label>
        <label class="check"><input type="radio" name="extent" .checked=${this.partial} @change=${() => (this.partial = true)} />${t("refund.part")}</label>
      </fieldset>
      ${this.partial ? field({ id: "refund-amount", label: `${t("refund.amount")} (${left.currency})`, hint: t("refund.max", { amount: amount(left) }), error: this.error }, (f) => html`<input
        class="input num" inputmode="decimal" autocomplete="off" id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid}
        .value=${this.typed} @input=${(event: InputEvent) => { this.typed = (event.target as HTMLInputElement).value; this.error = undefined; }} />`) : nothing}
      ${field({ id: "refund-reason", label: t("refund.reason"), optional: true }, (f) => html`<input class="input" maxlength="200" id=${f.id} aria-describedby=${f.describedBy}
        .value=${this.reason} @input=${(event: InputEvent) => (this.reason = (event.target as HTMLInputElement).value)} />`)}
      <p class="small muted">${t("refund.note")}</p>
      <div class="dialog-actions">
        <button type="button" class="btn" @click=${close}>${tc("act.cancel")}</button>
        <button type="submit" class="btn btn-accent ${this.busy ? "is-busy" : ""}" ?disabled=${this.busy}><span>${money === null || money.minor === 0 ? t("refund.title") : t("refund.do", { amount: amount(money) })}</span></button>
      </div>
    </form>`;
  }
}

define("refund-dialog", RefundDialog);

declare global {
  interface HTMLElementTagNameMap {
    "refund-dialog": RefundDialog;
  }
}
