// <product-form>: a new product, or one to change or delete.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { pool } from "../../api/client.js";
import type { Product } from "../../api/types.js";
import { fieldOf, words } from "../../api/words.js";
import { tc } from "../../i18n/common.js";
import { define, field, notice, PageElement, toast } from "../../ui/index.js";
import { ask } from "../studio/confirm.js";
import { changesOf, draftOf, EMPTY, flawsOf, inputOf, type Draft } from "./draft.js";
import { problemText } from "./csv_words.js";
import "./image_picker.js";
import { t } from "./messages.js";

const CURRENCIES = ["USD", "EUR", "GBP", "CNY", "HKD", "TWD", "SGD", "JPY", "KRW", "MYR", "THB", "PHP", "AUD", "CAD", "KWD"];
const CONDITIONS = ["", "new", "refurbished", "used"] as const;

// The server's names of fields, as its errors use them, and ours.
const SERVER_FIELDS: Readonly<Record<string, keyof Draft>> = {
  id: "sku", title: "title", description: "description", price: "price", sale_price: "sale", stock: "stock",
  commission: "commission", image_link: "image", link: "link", brand: "brand", condition: "condition", color: "color", size: "size",
};

export class ProductForm extends PageElement {
  @property({ type: Boolean }) open = false;
  /** null: a new product. */
  @property({ attribute: false }) product: Product | null = null;
  @state() private draft: Draft = EMPTY;
  @state() private errors: Partial<Record<keyof Draft, string>> = {};
  @state() private problem: string | null = null;
  @state() private busy = false;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("open") || !this.open) return;
    this.draft = this.product === null ? EMPTY : draftOf(this.product);
    this.errors = {};
    this.problem = null;
  }

  private set(part: Partial<Draft>): void {
    this.draft = { ...this.draft, ...part };
    const errors = { ...this.errors };
    for (const key of Object.keys(part) as (keyof Draft)[]) delete errors[key];
    this.errors = errors;
  }

  private tell(name: "saved" | "done"): void {
    this.dispatchEvent(new CustomEvent(name));
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    this.problem = null;
    const flaws = Object.entries(flawsOf(this.draft));
    this.errors = Object.fromEntries(flaws.map(([key, flaw]) => [key, t(flaw)]));
    if (flaws.length > 0) return this.toFirstError();
    this.busy = true;
    try {
      if (this.product === null) {
        await pool.create(inputOf(this.draft));
        toast(t("form.created"), "ok");
      } else {
        const changes = changesOf(draftOf(this.product), this.draft);
        if (Object.keys(changes).length > 0) await pool.change(this.product.id, changes);
        toast(t("form.saved"), "ok");
      }
      this.tell("saved");
    } catch (error) {
      const at = fieldOf(error, Object.keys(SERVER_FIELDS));
      const own = at === null ? undefined : SERVER_FIELDS[at];
      const text = words(error, (code) => problemText(code) ?? undefined);
      if (own === undefined) this.problem = text;
      else this.errors = { [own]: text };
      await this.toFirstError();
    } finally {
      this.busy = false;
    }
  }

  private async toFirstError(): Promise<void> {
    await this.updateComplete;
    this.querySelector<HTMLElement>('[aria-invalid="true"], .notice-bad')?.scrollIntoView({ block: "center" });
    this.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus({ preventScroll: true });
  }

  private async drop(product: Product): Promise<void> {
    if (!(await ask({ title: t("form.delete"), text: t("form.delete.text", { title: product.title }), action: t("form.delete"), danger: true }))) return;
    try {
      await pool.remove(product.id);
      toast(t("form.deleted"), "ok");
      this.tell("saved");
    } catch (error) {
      this.problem = words(error);
    }
  }

  protected override render(): TemplateResult {
    return html`<ui-sheet .open=${this.open} heading=${this.product === null ? t("form.new") : t("form.edit")} @ui-close=${() => this.tell("done")}>
      ${this.open ? this.form() : nothing}
    </ui-sheet>`;
  }

  private text(key: keyof Draft, label: string, extra: { hint?: string; optional?: boolean; numeric?: boolean; readonly?: boolean } = {}): TemplateResult {
    return field({ id: `product-${key}`, label, hint: extra.hint, error: this.errors[key], optional: extra.optional ?? false }, (f) => html`<input
      class="input" id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid} inputmode=${extra.numeric === true ? "decimal" : "text"} autocomplete="off"
      ?readonly=${extra.readonly ?? false} .value=${this.draft[key]} @input=${(event: InputEvent) => this.set({ [key]: (event.target as HTMLInputElement).value })} />`);
  }

  private form(): TemplateResult {
    const { draft } = this;
    const known = CURRENCIES.includes(draft.currency) ? CURRENCIES : [draft.currency, ...CURRENCIES];
    return html`<form class="stack form" novalidate @submit=${(event: Event) => void this.submit(event)}>
      ${this.problem === null ? nothing : notice("bad", this.problem)}
      <image-picker image=${draft.image} error=${this.errors.image ?? ""} @picked=${(event: CustomEvent<string>) => this.set({ image: event.detail })}></image-picker>
      ${this.text("title", t("form.title"))}
      ${this.text("sku", t("form.sku"), { hint: t("form.sku.hint"), readonly: this.product !== null })}
      <div class="form-pair">
        ${this.text("price", t("form.price"), { numeric: true })}
        ${field({ id: "product-currency", label: t("form.currency") }, (f) => html`<select class="input" id=${f.id} aria-describedby=${f.describedBy}
          @change=${(event: Event) => this.set({ currency: (event.target as HTMLSelectElement).value })}>
          ${known.map((code) => html`<option value=${code} ?selected=${code === draft.currency}>${code}</option>`)}</select>`)}
      </div>
      <div class="form-pair">
        ${this.text("sale", t("form.sale"), { numeric: true, optional: true })}
        ${this.text("stock", t("form.stock"), { numeric: true })}
      </div>
      ${this.text("commission", t("form.commission"), { numeric: true, optional: true, hint: t("form.commission.hint") })}
      ${field({ id: "product-description", label: t("form.description"), optional: true, error: this.errors.description }, (f) => html`<textarea
        class="input" rows="4" id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${draft.description}
        @input=${(event: InputEvent) => this.set({ description: (event.target as HTMLTextAreaElement).value })}></textarea>`)}
      <details class="form-more" ?open=${["brand", "color", "size", "link", "condition"].some((key) => this.errors[key as keyof Draft] !== undefined)}>
        <summary>${t("form.more")}</summary>
        <div class="stack form">
          ${this.text("brand", t("form.brand"), { optional: true })}
          ${field({ id: "product-condition", label: t("form.condition"), error: this.errors.condition }, (f) => html`<select class="input" id=${f.id} aria-describedby=${f.describedBy}
            @change=${(event: Event) => this.set({ condition: (event.target as HTMLSelectElement).value })}>
            ${CONDITIONS.map((value) => html`<option value=${value} ?selected=${value === draft.condition}>${t(`cond.${value}`)}</option>`)}</select>`)}
          <div class="form-pair">${this.text("color", t("form.color"), { optional: true })}${this.text("size", t("form.size"), { optional: true })}</div>
          ${this.text("link", t("form.link"), { optional: true })}
        </div>
      </details>
      <div class="dialog-actions">
        ${this.product === null ? nothing : html`<button type="button" class="btn btn-danger actions-first" @click=${() => this.product !== null && void this.drop(this.product)}>${tc("act.delete")}</button>`}
        <button type="button" class="btn" @click=${() => this.tell("done")}>${tc("act.cancel")}</button>
        <button type="submit" class="btn btn-primary ${this.busy ? "is-busy" : ""}" ?disabled=${this.busy}><span>${this.product === null ? t("form.create") : tc("act.save")}</span></button>
      </div>
    </form>`;
  }
}

define("product-form", ProductForm);

declare global {
  interface HTMLElementTagNameMap {
    "product-form": ProductForm;
  }
}
