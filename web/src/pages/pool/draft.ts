// A product as a person edits it, its checks, and what is sent: strings in, ProductInput out. Pure.

import type { Money, Product, ProductInput, ProductPatch } from "../../api/types.js";
import { parseAmount, toDecimal, toFeedPrice } from "../../format/money.js";

export interface Draft {
  readonly sku: string;
  readonly title: string;
  readonly description: string;
  readonly currency: string;
  readonly price: string;
  readonly sale: string;
  readonly stock: string;
  readonly commission: string;
  readonly image: string;
  readonly link: string;
  readonly brand: string;
  readonly condition: string;
  readonly color: string;
  readonly size: string;
}

export type Flaw = "need.title" | "need.sku" | "need.amount" | "need.sale" | "need.stock" | "need.commission" | "need.link";
export type Flaws = Readonly<Partial<Record<keyof Draft, Flaw>>>;

export const EMPTY: Draft = {
  sku: "", title: "", description: "", currency: "USD", price: "", sale: "", stock: "", commission: "",
  image: "", link: "", brand: "", condition: "", color: "", size: "",
};

export function draftOf(product: Product): Draft {
  return {
    sku: product.sku,
    title: product.title,
    description: product.description,
    currency: product.price.currency,
    price: toDecimal(product.price),
    sale: product.sale_price === null ? "" : toDecimal(product.sale_price),
    stock: String(product.stock),
    commission: percentText(product.commission_bp),
    image: product.image ?? "",
    link: product.link ?? "",
    brand: product.brand ?? "",
    condition: product.condition ?? "",
    color: product.color ?? "",
    size: product.size ?? "",
  };
}

/** Basis points as a percentage without superfluous digits: 1250 → `12.5`. */
export function percentText(bp: number): string {
  return toDecimal({ minor: bp, currency: "" }).replace(/\.?0+$/, "");
}

/** What is wrong, by field; nothing wrong: an empty object. */
export function flawsOf(draft: Draft): Flaws {
  const flaws: Partial<Record<keyof Draft, Flaw>> = {};
  if (draft.title.trim() === "") flaws.title = "need.title";
  if (draft.sku.trim() === "") flaws.sku = "need.sku";
  const price = parseAmount(draft.price, draft.currency);
  if (price === null) flaws.price = "need.amount";
  if (draft.sale.trim() !== "") {
    const sale = parseAmount(draft.sale, draft.currency);
    if (sale === null) flaws.sale = "need.amount";
    else if (price !== null && sale.minor >= price.minor) flaws.sale = "need.sale";
  }
  if (!/^\d{1,9}$/.test(draft.stock.trim())) flaws.stock = "need.stock";
  if (draft.commission.trim() !== "" && commissionBp(draft.commission) === null) flaws.commission = "need.commission";
  if (draft.link.trim() !== "" && !/^https:\/\/[^\s/]+/.test(draft.link.trim())) flaws.link = "need.link";
  return flaws;
}

function commissionBp(text: string): number | null {
  const money = parseAmount(text.trim().replace(/\s*%$/, ""), "");
  return money === null || money.minor > 10_000 ? null : money.minor;
}

/** The draft, free of flaws, as the server takes it. */
export function inputOf(draft: Draft): ProductInput {
  const money = (text: string): Money => parseAmount(text, draft.currency) ?? { minor: 0, currency: draft.currency };
  const optional = (name: string, value: string): Record<string, string> => (value.trim() === "" ? {} : { [name]: value.trim() });
  const bp = commissionBp(draft.commission);
  return {
    id: draft.sku.trim(),
    title: draft.title.trim(),
    description: draft.description.trim(),
    price: toFeedPrice(money(draft.price)),
    stock: Number(draft.stock.trim()),
    ...(draft.sale.trim() === "" ? {} : { sale_price: toFeedPrice(money(draft.sale)) }),
    ...(bp === null ? {} : { commission: `${percentText(bp)}%` }),
    ...optional("image_link", draft.image),
    ...optional("link", draft.link),
    ...optional("brand", draft.brand),
    ...optional("condition", draft.condition),
    ...optional("color", draft.color),
    ...optional("size", draft.size),
  };
}

/** Only what differs: fields nobody touched are not written over what somebody else changed meanwhile. */
export function changesOf(before: Draft, after: Draft): ProductPatch {
  const old = inputOf(before);
  const now = inputOf(after);
  const changed: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(old), ...Object.keys(now)]) as Set<keyof ProductInput>) {
    // A field that was emptied is sent as null: leaving it out would keep the old value.
    if (old[key] !== now[key]) changed[key] = now[key] ?? null;
  }
  return changed;
}
