// <card-sheet>: what is done to a card less often: room price, place, hiding, removing.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { cards as api } from "../../api/client.js";
import type { Card, CardAction } from "../../api/types.js";
import { words } from "../../api/words.js";
import { amount, parseAmount, toDecimal, toFeedPrice } from "../../format/index.js";
import { tc } from "../../i18n/common.js";
import { define, field, icon, PageElement, toast } from "../../ui/index.js";
import { ask } from "./confirm.js";
import { t } from "./room_messages.js";

export class CardSheet extends PageElement {
  @property() room = "";
  /** null: closed. */
  @property({ attribute: false }) card: Card | null = null;
  @property({ type: Boolean }) manage = false;
  @state() private price = "";
  @state() private error: string | undefined;
  @state() private busy = false;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("card") || this.card === null || changed.get("card")?.id === this.card.id) return;
    this.price = toDecimal(this.card.price);
    this.error = undefined;
  }

  private tell<T>(name: string, detail?: T): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  private async setPrice(card: Card, price: string | null): Promise<void> {
    this.busy = true;
    try {
      const changed = await api.setPrice(this.room, card.id, price);
      this.price = toDecimal(changed.price);
      this.error = undefined;
      toast(t("cards.price.saved"), "ok");
      this.tell("changed");
    } catch (error) {
      this.error = words(error);
    } finally {
      this.busy = false;
    }
  }

  private save(event: Event, card: Card): void {
    event.preventDefault();
    const money = parseAmount(this.price, card.price.currency);
    if (money === null) this.error = t("cards.price.bad");
    else void this.setPrice(card, toFeedPrice(money));
  }

  private async takeOut(card: Card): Promise<void> {
    const sure = await ask({ title: t("cards.remove"), text: t("cards.remove.text", { title: card.title }), action: t("cards.remove"), danger: true });
    if (!sure) return;
    try {
      await api.remove(this.room, card.id);
      this.tell("done");
      this.tell("changed");
    } catch (error) {
      toast(words(error), "bad");
    }
  }

  protected override render(): TemplateResult {
    const card = this.card;
    return html`<ui-sheet .open=${card !== null} heading=${card?.title ?? ""} @ui-close=${() => this.tell("done")}>
      ${card === null ? nothing : this.content(card)}
    </ui-sheet>`;
  }

  private content(card: Card): TemplateResult {
    return html`<div class="stack">
      ${this.manage ? html`<form class="stack" novalidate @submit=${(event: Event) => this.save(event, card)}>
        ${field({ id: "card-price", label: `${t("cards.price")} (${card.price.currency})`, hint: t("cards.price.hint", { price: amount(card.was ?? card.price) }), error: this.error }, (f) => html`<input
          class="input num" inputmode="decimal" id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid}
          .value=${this.price} @input=${(event: Event) => (this.price = (event.target as HTMLInputElement).value)} />`)}
        <div class="row"><button type="submit" class="btn btn-primary" ?disabled=${this.busy}>${tc("act.save")}</button>
          ${card.was === null ? nothing : html`<button type="button" class="btn btn-ghost" ?disabled=${this.busy} @click=${() => void this.setPrice(card, null)}>${t("cards.price.clear")}</button>`}</div>
      </form>` : nothing}
      <div class="menu-list">
        <button type="button" class="menu-item" @click=${() => this.tell("move", -1)}>${icon("up")}<span>${t("cards.up")}</span></button>
        <button type="button" class="menu-item" @click=${() => this.tell("move", 1)}>${icon("down")}<span>${t("cards.down")}</span></button>
        ${card.state === "hidden"
          ? html`<button type="button" class="menu-item" @click=${() => this.tell<CardAction>("act", "list")}>${icon("eye")}<span>${t("cards.list")}</span></button>`
          : html`<button type="button" class="menu-item" @click=${() => this.tell<CardAction>("act", "hide")}>${icon("lock")}<span>${t("cards.hide")}</span></button>`}
        ${this.manage ? html`<button type="button" class="menu-item is-danger" @click=${() => void this.takeOut(card)}>${icon("trash")}<span>${t("cards.remove")}</span></button>` : nothing}
      </div>
    </div>`;
  }
}

define("card-sheet", CardSheet);

declare global {
  interface HTMLElementTagNameMap {
    "card-sheet": CardSheet;
  }
}
