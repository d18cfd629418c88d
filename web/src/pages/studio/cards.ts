// <studio-cards>: the run-sheet. One click shows a card to everybody; order by drag or arrow keys.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { cards as api } from "../../api/client.js";
import type { Bag, Card, CardAction } from "../../api/types.js";
import { words } from "../../api/words.js";
import { amount } from "../../format/index.js";
import { tc } from "../../i18n/common.js";
import { define, empty, icon, notice, PageElement, toast } from "../../ui/index.js";
import "./card_sheet.js";
import { t } from "./room_messages.js";
import { moved, newer, placeAt } from "./run_sheet.js";
import "./product_picker.js";

// Frames of one burst (a sale sells several pieces) ask for the whole bag once.
const REFRESH_AFTER_MS = 150;

interface Drag {
  readonly card: string;
  readonly pointer: number;
  readonly from: number;
  readonly middles: readonly number[];
  at: number;
}

export class StudioCards extends PageElement {
  @property() room = "";
  /** Version of the newest `cards` frame: another one than ours means that the bag must be read again. */
  @property({ type: Number }) ver = -1;
  @property({ type: Boolean }) manage = false;
  @property({ type: Boolean }) show = false;
  @state() private bag: Bag | null = null;
  @state() private problem: string | null = null;
  @state() private busy: string | null = null;
  @state() private picking = false;
  @state() private opened: string | null = null;
  @state() private drag: Drag | null = null;
  @state() private said = "";
  private refreshTimer: ReturnType<typeof setTimeout> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.refreshTimer);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("ver") || this.bag === null || this.ver <= this.bag.ver) return;
    clearTimeout(this.refreshTimer);
    this.refreshTimer = setTimeout(() => void this.load(), REFRESH_AFTER_MS);
  }

  private async load(): Promise<void> {
    try {
      // By HTTP and not from the frame: only this answer holds the hidden cards as well.
      this.bag = newer(this.bag, await api.bag(this.room));
      this.problem = null;
    } catch (error) {
      if (this.bag === null) this.problem = words(error);
    }
  }

  private async act(card: Card, action: CardAction): Promise<void> {
    this.busy = card.id;
    try {
      const answer = await api.act(this.room, card.id, action);
      this.merge(answer);
      await this.load();
    } catch (error) {
      toast(words(error), "bad");
      await this.load();
    } finally {
      this.busy = null;
    }
  }

  private merge(card: Card): void {
    if (this.bag === null) return;
    const one = card.state === "pinned" || card.state === "explaining";
    // One card at a time is on screen: the one before goes back to the list.
    const rest = (other: Card): Card => (one && (other.state === "pinned" || other.state === "explaining") ? { ...other, state: "listed", showing: null } : other);
    this.bag = { ver: this.bag.ver, cards: this.bag.cards.map((other) => (other.id === card.id ? card : rest(other))) };
  }

  private async reorder(from: number, to: number): Promise<void> {
    const bag = this.bag;
    if (bag === null) return;
    const cards = moved(bag.cards, from, to);
    const card = cards[to];
    if (from === to || card === undefined) return;
    this.bag = { ver: bag.ver, cards };
    this.said = t("cards.moved", { title: card.title, at: to + 1 });
    try {
      this.bag = newer(this.bag, await api.reorder(this.room, cards.map(({ id }) => id)));
    } catch (error) {
      this.bag = bag;
      toast(words(error), "bad");
      await this.load();
    }
  }

  private onHandleKey(event: KeyboardEvent, index: number): void {
    const last = (this.bag?.cards.length ?? 0) - 1;
    const to = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: last }[event.key];
    if (to === undefined || to < 0 || to > last) return;
    event.preventDefault();
    const id = this.bag?.cards[index]?.id ?? "";
    void this.reorder(index, to);
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(`[data-card="${CSS.escape(id)}"] .card-grip`)?.focus());
  }

  private onGrip(event: PointerEvent, card: Card, index: number): void {
    if (event.button !== 0) return;
    event.preventDefault();
    (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    const middles = [...this.querySelectorAll<HTMLElement>(".sheet-row")].map((row) => {
      const box = row.getBoundingClientRect();
      return box.top + box.height / 2;
    });
    this.drag = { card: card.id, pointer: event.pointerId, from: index, middles, at: index };
  }

  private onMove(event: PointerEvent): void {
    const drag = this.drag;
    if (drag === null || event.pointerId !== drag.pointer) return;
    const at = placeAt(event.clientY, drag.middles, drag.from);
    if (at !== drag.at) this.drag = { ...drag, at };
  }

  private onDrop(event: PointerEvent, keep: boolean): void {
    const drag = this.drag;
    if (drag === null || event.pointerId !== drag.pointer) return;
    this.drag = null;
    if (keep) void this.reorder(drag.from, drag.at);
  }

  protected override render(): TemplateResult {
    const cards = this.bag?.cards ?? [];
    const order = this.drag === null ? cards : moved(cards, this.drag.from, this.drag.at);
    const opened = cards.find(({ id }) => id === this.opened) ?? null;
    return html`<section class="card run-sheet" aria-label=${t("panel.cards")}>
      <header class="card-head"><h2 class="panel-title">${t("panel.cards")}</h2>
        ${this.show ? html`<button type="button" class="btn btn-sm" @click=${() => (this.picking = true)}>${icon("plus")}<span>${t("cards.add")}</span></button>` : nothing}</header>
      ${this.problem === null ? nothing : html`<div class="card-pad">${notice("bad", html`${t("cards.failed")} ${this.problem} <button type="button" class="link" @click=${() => void this.load()}>${tc("act.retry")}</button>`)}</div>`}
      ${this.bag !== null && cards.length === 0 ? empty({ icon: "bag", title: t("cards.empty"), text: t("cards.empty.text") }) : nothing}
      <ol class="sheet-rows">${repeat(order, (card) => card.id, (card, index) => this.row(card, index, order.length))}</ol>
      <p class="sr-only" role="status">${this.said}</p>
      <product-picker room=${this.room} .open=${this.picking} .taken=${cards.map(({ product }) => product)}
        @added=${() => void this.load()} @done=${() => (this.picking = false)}></product-picker>
      <card-sheet room=${this.room} .card=${opened} ?manage=${this.manage}
        @act=${(event: CustomEvent<CardAction>) => { this.opened = null; if (opened !== null) void this.act(opened, event.detail); }}
        @move=${(event: CustomEvent<number>) => { const at = cards.findIndex(({ id }) => id === this.opened); void this.reorder(at, at + event.detail); }}
        @changed=${() => void this.load()} @done=${() => (this.opened = null)}></card-sheet>
    </section>`;
  }

  private row(card: Card, index: number, of: number): TemplateResult {
    const shown = card.state === "pinned" || card.state === "explaining";
    const low = card.stock === 0 ? "badge-bad" : card.stock <= 5 ? "badge-warn" : "";
    return html`<li class="sheet-row ${shown ? "is-shown" : ""} ${card.state === "hidden" ? "is-hidden" : ""} ${this.drag?.card === card.id ? "is-dragged" : ""}" data-card=${card.id}>
      ${this.show ? html`<button type="button" class="card-grip" aria-label=${t("cards.move", { title: card.title, at: index + 1, of })}
        @keydown=${(event: KeyboardEvent) => this.onHandleKey(event, index)}
        @pointerdown=${(event: PointerEvent) => this.onGrip(event, card, index)} @pointermove=${(event: PointerEvent) => this.onMove(event)}
        @pointerup=${(event: PointerEvent) => this.onDrop(event, true)} @pointercancel=${(event: PointerEvent) => this.onDrop(event, false)}>${icon("grip")}</button>` : nothing}
      <span class="thumb">${card.image === null ? icon("image") : html`<img src=${card.image} alt="" loading="lazy" draggable="false" />`}</span>
      <div class="sheet-text grow">
        <p class="sheet-title clamp-2">${card.title}</p>
        <p class="small row sheet-facts"><span class="strong num">${amount(card.price)}</span>${card.was === null ? nothing : html`<s class="faint num">${amount(card.was)}</s>`}
          <span class="badge ${low}">${t("cards.stock", { n: card.stock })}</span>
          ${card.state === "hidden" ? html`<span class="badge">${t("cards.hidden")}</span>` : nothing}</p>
      </div>
      ${this.show ? this.actions(card, shown) : nothing}
    </li>`;
  }

  private actions(card: Card, shown: boolean): TemplateResult {
    const busy = this.busy === card.id;
    const hidden = card.state === "hidden";
    return html`<div class="sheet-actions">
      ${shown
        ? html`<button type="button" class="btn btn-sm btn-primary" ?disabled=${busy} @click=${() => void this.act(card, "unpin")}>${t("cards.unpin")}</button>`
        : html`<button type="button" class="btn btn-sm" ?disabled=${busy || hidden} @click=${() => void this.act(card, "pin")}>${icon("pin")}<span>${t("cards.pin")}</span></button>`}
      <button type="button" class="btn btn-sm ${card.state === "explaining" ? "is-on" : ""}" aria-pressed=${card.state === "explaining" ? "true" : "false"}
        ?disabled=${busy || hidden} @click=${() => void this.act(card, card.state === "explaining" ? "pin" : "explain")}>${card.state === "explaining" ? t("cards.explaining") : t("cards.explain")}</button>
      <button type="button" class="btn btn-sm btn-icon btn-ghost" aria-label=${t("cards.more", { title: card.title })} @click=${() => (this.opened = card.id)}>${icon("more")}</button>
    </div>`;
  }
}

define("studio-cards", StudioCards);

declare global {
  interface HTMLElementTagNameMap {
    "studio-cards": StudioCards;
  }
}
