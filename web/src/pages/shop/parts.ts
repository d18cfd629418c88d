// What the shop's steps share.
import { html, type TemplateResult } from "lit";
import type { Money, Product } from "../../api/types.js";
import { icon } from "../../ui/index.js";
import { t } from "./messages.js";

export type MoneyText = (amount: Money) => string;

export const times = (amount: Money, quantity: number): Money => ({ minor: amount.minor * quantity, currency: amount.currency });

/** The step's heading: takes the focus when a step begins, so that it is read and Tab goes on from there. */
export const stepHeading = (text: string): TemplateResult => html`<h1 tabindex="-1">${text}</h1>`;

/** A bar that stays at the foot of the frame. */
export const footBar = (content: TemplateResult): TemplateResult => html`<footer class="shop-foot">${content}</footer>`;

export const lockNote = (): TemplateResult => html`<p class="lock-note">${icon("lock")}<span>${t("secure")}</span></p>`;

export function productPicture(product: Product): TemplateResult {
  return product.image === null
    ? html`<span class="no-picture" aria-hidden="true">${icon("bag")}</span>`
    : html`<img src=${product.image} alt=${product.title} decoding="async" />`;
}
