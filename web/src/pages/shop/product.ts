// The product step: picture, price, stock, quantity, description.
import { html, nothing, type TemplateResult } from "lit";
import type { ShopProduct } from "../../api/types.js";
import { icon } from "../../ui/index.js";
import { MOST_PER_ORDER } from "./intent.js";
import { t } from "./messages.js";
import { footBar, productPicture, stepHeading, times, type MoneyText } from "./parts.js";

const FEW = 10;

export function productView(step: {
  product: ShopProduct;
  quantity: number;
  money: MoneyText;
  setQuantity: (quantity: number) => void;
  buy: () => void;
}): TemplateResult {
  const { product: shown, quantity, money } = step;
  const { product, price, stock, card } = shown;
  const was = card?.was ?? (product.price.currency === price.currency && product.price.minor > price.minor ? product.price : null);
  const most = Math.min(stock, MOST_PER_ORDER);
  return html`<main class="shop">
    <div class="shop-picture">${productPicture(product)}</div>
    <div class="shop-body">
      <div class="stack shop-top">
        <p class="shop-prices"><span class="shop-price num">${money(price)}</span>
          ${was ? html`<s class="shop-was num"><span class="sr-only">${t("was", { price: "" })}</span>${money(was)}</s>` : nothing}
          ${card ? html`<span class="badge badge-accent">${t("room-price")}</span>` : nothing}</p>
        ${stepHeading(product.title)}
        <p class="row small"><span class="muted">${t("sold-by", { seller: shown.seller.name })}</span>${stockBadge(stock)}</p>
      </div>
      ${stock > 0 ? html`<div class="row between quantity-row"><span class="strong" id="quantity-label">${t("quantity")}</span>
        <div class="stepper" role="group" aria-labelledby="quantity-label">
          <button type="button" aria-label=${t("less")} ?disabled=${quantity <= 1} @click=${() => step.setQuantity(quantity - 1)}>${icon("minus")}</button>
          <output class="num" data-quantity aria-live="polite">${quantity}</output>
          <button type="button" aria-label=${t("more")} ?disabled=${quantity >= most} @click=${() => step.setQuantity(quantity + 1)}>${icon("plus")}</button>
        </div></div>
        ${quantity >= MOST_PER_ORDER ? html`<p class="small faint">${t("most", { n: MOST_PER_ORDER })}</p>` : nothing}` : nothing}
      <section class="stack shop-details" aria-labelledby="details">
        <h2 id="details">${t("details")}</h2>
        ${product.description ? html`<p class="shop-description">${product.description}</p>` : nothing}
        <dl class="facts">${facts(shown).map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
      </section>
    </div>
    ${footBar(html`<div class="foot-total"><span class="small muted">${t("total")}</span><span class="foot-amount num">${money(times(price, quantity))}</span></div>
      <button type="button" class="btn btn-accent btn-lg grow" data-buy ?disabled=${stock <= 0} @click=${step.buy}>${stock <= 0 ? t("stock.out") : t("buy")}</button>`)}
  </main>`;
}

function stockBadge(stock: number): TemplateResult {
  if (stock <= 0) return html`<span class="badge badge-bad">${t("stock.out")}</span>`;
  if (stock <= FEW) return html`<span class="badge badge-warn num">${t("stock.left", { n: stock })}</span>`;
  return html`<span class="badge badge-ok">${t("stock.in")}</span>`;
}

function facts({ product }: ShopProduct): [string, string][] {
  const condition = product.condition === "new" ? t("condition.new")
    : product.condition === "refurbished" ? t("condition.refurbished")
    : product.condition === "used" ? t("condition.used") : product.condition;
  const all: [string, string | null][] = [
    [t("brand"), product.brand], [t("colour"), product.color], [t("size"), product.size], [t("condition"), condition], [t("sku"), product.sku],
  ];
  return all.filter((entry): entry is [string, string] => entry[1] !== null && entry[1] !== "");
}
