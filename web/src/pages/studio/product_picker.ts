// <product-picker>: products of the pool, searched and put on the run-sheet one tap each.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { cards, pool } from "../../api/client.js";
import type { Product } from "../../api/types.js";
import { words } from "../../api/words.js";
import { amount } from "../../format/index.js";
import { define, empty, icon, notice, PageElement, spinner, toast } from "../../ui/index.js";
import { t } from "./room_messages.js";
import { paths } from "./router.js";

const TYPING_PAUSE_MS = 250;
const PAGE = 30;

export class ProductPicker extends PageElement {
  @property() room = "";
  @property({ type: Boolean }) open = false;
  /** Products that are cards of this room already. */
  @property({ attribute: false }) taken: readonly string[] = [];
  @state() private query = "";
  @state() private products: readonly Product[] | null = null;
  @state() private next: string | null = null;
  @state() private problem: string | null = null;
  @state() private busy: ReadonlySet<string> = new Set();
  private timer: ReturnType<typeof setTimeout> | undefined;
  // Answers may overtake each other: only that to the newest question counts.
  private asked = 0;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("open") && this.open) void this.search();
  }

  private typed(event: InputEvent): void {
    this.query = (event.target as HTMLInputElement).value;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.search(), TYPING_PAUSE_MS);
  }

  private async search(after?: string): Promise<void> {
    this.asked += 1;
    const mine = this.asked;
    try {
      const page = await pool.list({ q: this.query.trim(), limit: PAGE, ...(after === undefined ? {} : { after }) });
      if (mine !== this.asked) return;
      this.products = after === undefined ? page.products : [...(this.products ?? []), ...page.products];
      this.next = page.next;
      this.problem = null;
    } catch (error) {
      if (mine === this.asked) this.problem = words(error);
    }
  }

  private async add(product: Product): Promise<void> {
    this.busy = new Set([...this.busy, product.id]);
    try {
      await cards.add(this.room, product.id);
      this.dispatchEvent(new CustomEvent("added"));
    } catch (error) {
      toast(words(error), "bad");
    } finally {
      this.busy = new Set([...this.busy].filter((id) => id !== product.id));
    }
  }

  protected override render(): TemplateResult {
    return html`<ui-sheet .open=${this.open} heading=${t("pick.title")} @ui-close=${() => this.dispatchEvent(new CustomEvent("done"))}>
      ${this.open ? html`<div class="stack">
        <div class="search-box">${icon("search")}<input class="input" type="search" autocomplete="off" aria-label=${t("pick.search")} placeholder=${t("pick.search")}
          .value=${this.query} @input=${(event: InputEvent) => this.typed(event)} /></div>
        ${this.problem === null ? nothing : notice("bad", this.problem)}
        ${this.list()}
      </div>` : nothing}
    </ui-sheet>`;
  }

  private list(): TemplateResult | typeof nothing {
    if (this.products === null) return this.problem === null ? html`<div class="center">${spinner()}</div>` : nothing;
    if (this.products.length === 0) {
      return empty({
        icon: "box",
        title: this.query.trim() === "" ? t("pick.empty") : t("pick.none"),
        action: html`<a class="btn" href=${paths.pool}>${t("pick.pool")}</a>`,
      });
    }
    return html`<ul class="pick-list">${repeat(this.products, (product) => product.id, (product) => this.row(product))}</ul>
      ${this.next === null ? nothing : html`<button type="button" class="btn btn-block" @click=${() => void this.search(this.next ?? undefined)}>${t("pick.more")}</button>`}`;
  }

  private row(product: Product): TemplateResult {
    const taken = this.taken.includes(product.id);
    return html`<li class="pick-row">
      <span class="thumb">${product.image === null ? icon("image") : html`<img src=${product.image} alt="" loading="lazy" />`}</span>
      <div class="grow"><p class="sheet-title clamp-2">${product.title}</p>
        <p class="xsmall faint"><span class="mono">${product.sku}</span> · <span class="num">${amount(product.sale_price ?? product.price)}</span> · ${t("cards.stock", { n: product.stock })}</p></div>
      <button type="button" class="btn btn-sm ${taken ? "btn-ghost" : ""}" ?disabled=${taken || this.busy.has(product.id)} aria-label="${taken ? t("pick.added") : t("pick.add")}: ${product.title}"
        @click=${() => void this.add(product)}>${taken ? html`${icon("check")}<span>${t("pick.added")}</span>` : t("pick.add")}</button>
    </li>`;
  }
}

define("product-picker", ProductPicker);

declare global {
  interface HTMLElementTagNameMap {
    "product-picker": ProductPicker;
  }
}
