// <studio-pool>: the seller's products, searched, edited one by one or imported as a list.

import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { pool } from "../../api/client.js";
import type { Product } from "../../api/types.js";
import { words } from "../../api/words.js";
import { amount, count, relative } from "../../format/index.js";
import { tc } from "../../i18n/common.js";
import { define, empty, icon, notice, PageElement } from "../../ui/index.js";
import { percentText } from "./draft.js";
import "./import.js";
import { t } from "./messages.js";
import "./pool.css";
import "./product_form.js";

const PAGE = 50;
const TYPING_PAUSE_MS = 250;

export class StudioPool extends PageElement {
  @state() private query = "";
  @state() private products: readonly Product[] | null = null;
  @state() private next: string | null = null;
  @state() private problem: string | null = null;
  /** null: closed; "new": an empty form. */
  @state() private editing: Product | "new" | null = null;
  @state() private importing = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  private async load(after?: string): Promise<void> {
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

  private typed(event: InputEvent): void {
    this.query = (event.target as HTMLInputElement).value;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.load(), TYPING_PAUSE_MS);
  }

  private onSaved(): void {
    this.editing = null;
    void this.load();
  }

  protected override render(): TemplateResult {
    return html`<div class="page stack">
      <header class="page-head">
        <div class="grow"><h1>${t("title")}</h1><p class="muted">${t("lead")}</p></div>
        <div class="row">
          <button type="button" class="btn" @click=${() => (this.importing = true)}>${icon("upload")}<span>${t("import")}</span></button>
          <button type="button" class="btn btn-primary" @click=${() => (this.editing = "new")}>${icon("plus")}<span>${t("new")}</span></button>
        </div>
      </header>
      <div class="search-box">${icon("search")}<input class="input" type="search" autocomplete="off" aria-label=${t("search")} placeholder=${t("search")}
        .value=${this.query} @input=${(event: InputEvent) => this.typed(event)} /></div>
      ${this.problem === null ? nothing : notice("bad", html`${this.problem} <button type="button" class="link" @click=${() => void this.load()}>${tc("act.retry")}</button>`)}
      ${this.list()}
      <product-form .open=${this.editing !== null} .product=${this.editing === "new" ? null : this.editing}
        @saved=${() => this.onSaved()} @done=${() => (this.editing = null)}></product-form>
      <pool-import .open=${this.importing} @imported=${() => void this.load()} @done=${() => (this.importing = false)}></pool-import>
    </div>`;
  }

  private list(): TemplateResult | typeof nothing {
    const products = this.products;
    if (products === null) return this.problem === null ? html`<div class="card pool-skeleton" aria-busy="true">${[0, 1, 2, 3, 4].map(() => html`<div class="skeleton"></div>`)}</div>` : nothing;
    if (products.length === 0) {
      const searching = this.query.trim() !== "";
      return html`<div class="card">${empty({
        icon: "box",
        title: searching ? t("none") : t("empty"),
        ...(searching ? {} : { text: t("empty.text"), action: html`<div class="row"><button type="button" class="btn" @click=${() => (this.importing = true)}>${t("import")}</button>
          <button type="button" class="btn btn-primary" @click=${() => (this.editing = "new")}>${t("new")}</button></div>` }),
      })}</div>`;
    }
    return html`<div class="card table-wrap"><table class="table pool-table">
        <thead><tr><th scope="col">${t("col.product")}</th><th scope="col">${t("col.sku")}</th><th scope="col" class="end">${t("col.price")}</th>
          <th scope="col" class="end">${t("col.stock")}</th><th scope="col" class="end">${t("col.commission")}</th><th scope="col" class="end">${t("col.updated")}</th></tr></thead>
        <tbody>${repeat(products, (product) => product.id, (product) => this.row(product))}</tbody>
      </table></div>
      ${this.next === null ? nothing : html`<button type="button" class="btn btn-block" @click=${() => void this.load(this.next ?? undefined)}>${t("more")}</button>`}`;
  }

  private row(product: Product): TemplateResult {
    const open = (): void => {
      this.editing = product;
    };
    return html`<tr class="is-link" @click=${open}>
      <td><div class="row row-fixed">
        <span class="thumb">${product.image === null ? icon("image") : html`<img src=${product.image} alt="" loading="lazy" />`}</span>
        <button type="button" class="cell-link clamp-2" aria-label=${t("edit", { title: product.title })} @click=${(event: Event) => { event.stopPropagation(); open(); }}>${product.title}</button>
      </div></td>
      <td class="mono pool-sku" data-label=${t("col.sku")}>${product.sku}</td>
      <td class="end" data-label=${t("col.price")}>${product.sale_price === null ? amount(product.price) : html`<span class="price-sale">${amount(product.sale_price)}</span> <s class="faint">${amount(product.price)}</s>`}</td>
      <td class="end" data-label=${t("col.stock")}>${product.stock === 0 ? html`<span class="badge badge-bad">${t("stock.none")}</span>` : product.stock <= 5 ? html`<span class="badge badge-warn">${count(product.stock)}</span>` : count(product.stock)}</td>
      <td class="end pool-commission" data-label=${t("col.commission")}>${percentText(product.commission_bp)} %</td>
      <td class="end faint pool-updated" data-label=${t("col.updated")}>${relative(product.updated_ms)}</td>
    </tr>`;
  }
}

define("studio-pool", StudioPool);

declare global {
  interface HTMLElementTagNameMap {
    "studio-pool": StudioPool;
  }
}
