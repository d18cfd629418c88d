// The checkout step: what is bought, for whom, and the button that places the order and pays.
import { html, type nothing, type TemplateResult } from "lit";
import type { ShopProduct } from "../../api/types.js";
import { field, icon } from "../../ui/index.js";
import { LONGEST, type BuyerForm, type Problem, type Problems } from "./intent.js";
import { t } from "./messages.js";
import { footBar, lockNote, productPicture, stepHeading, times, type MoneyText } from "./parts.js";

export function checkoutView(step: {
  product: ShopProduct;
  quantity: number;
  money: MoneyText;
  form: BuyerForm;
  problems: Problems;
  busy: boolean;
  canPay: boolean;
  problem: TemplateResult | typeof nothing;
  change: (form: BuyerForm) => void;
  back: () => void;
  place: () => void;
}): TemplateResult {
  const { product, quantity, money, form, problems } = step;
  const total = times(product.price, quantity);
  const typed = (name: keyof BuyerForm) => (event: InputEvent) => step.change({ ...form, [name]: (event.target as HTMLInputElement).value });
  const submit = (event: Event): void => {
    event.preventDefault();
    step.place();
  };
  return html`<main class="shop"><form class="shop-form" @submit=${submit} novalidate>
    <div class="shop-body">
      <div class="row row-fixed"><button type="button" class="btn btn-ghost btn-icon btn-back" aria-label=${t("back")} @click=${step.back}>${icon("back")}</button>${stepHeading(t("checkout"))}</div>
      <section class="card order-line" aria-label=${t("your-order")}>
        <span class="order-picture">${productPicture(product.product)}</span>
        <div class="grow"><p class="strong clamp-2">${product.product.title}</p><p class="small muted num">${money(product.price)} × ${quantity}</p></div>
        <span class="strong num">${money(total)}</span>
      </section>
      <section class="stack" aria-labelledby="contact"><h2 id="contact">${t("contact")}</h2>
        ${field({ id: "buyer-name", label: t("name"), error: said("name", problems.name) }, (f) => html`<input class="input" id=${f.id} name="name" autocomplete="name"
          aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${form.name} @input=${typed("name")} />`)}
        ${field({ id: "buyer-email", label: t("email"), hint: t("email.hint"), error: said("email", problems.email) }, (f) => html`<input class="input" id=${f.id} name="email" type="email" inputmode="email" autocomplete="email"
          aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${form.email} @input=${typed("email")} />`)}
        ${field({ id: "buyer-address", label: t("address"), error: said("address", problems.address) }, (f) => html`<textarea class="input" id=${f.id} name="address" rows="3" autocomplete="street-address"
          aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${form.address} @input=${typed("address")}></textarea>`)}
      </section>
      <dl class="sums"><div><dt>${t("subtotal")}</dt><dd class="num">${money(total)}</dd></div></dl>
      <p class="small faint">${t("estimate")}</p>
      ${lockNote()}
    </div>
    ${footBar(html`<div class="stack grow foot-stack">${step.problem}
      ${step.canPay ? "" : html`<p class="small muted">${t("nohost")}</p>`}
      <button class="btn btn-accent btn-lg btn-block ${step.busy ? "is-busy" : ""}" data-place ?disabled=${step.busy || !step.canPay}><span>${t("place")}</span></button></div>`)}
  </form></main>`;
}

function said(name: keyof BuyerForm, problem: Problem | undefined): string | undefined {
  if (problem === undefined) return undefined;
  if (problem === "long") return t("bad.long", { n: LONGEST[name] });
  return name === "name" ? t("bad.name") : name === "email" ? t("bad.email") : t("bad.address");
}
