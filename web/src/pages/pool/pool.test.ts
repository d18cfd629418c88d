import { describe, expect, it } from "vitest";

import type { Product } from "../../api/types.js";
import { changesOf, draftOf, EMPTY, flawsOf, inputOf, percentText } from "./draft.js";
import { COLUMNS, templateCsv } from "./template.js";

const product: Product = {
  id: "p1", sku: "MUG-01", title: "Mug", description: "Blue", price: { minor: 1800, currency: "USD" },
  sale_price: { minor: 1500, currency: "USD" }, stock: 12, image: "/images/a.webp", brand: "B", condition: "new",
  color: null, size: null, commission_bp: 1250, link: null, updated_ms: 0,
};

describe("product draft", () => {
  it("comes back as what it was made of", () => {
    expect(flawsOf(draftOf(product))).toEqual({});
    expect(inputOf(draftOf(product))).toEqual({
      id: "MUG-01", title: "Mug", description: "Blue", price: "18.00 USD", sale_price: "15.00 USD", stock: 12,
      commission: "12.5%", image_link: "/images/a.webp", brand: "B", condition: "new",
    });
  });
  it("names every flaw by its field", () => {
    expect(flawsOf(EMPTY)).toEqual({ title: "need.title", sku: "need.sku", price: "need.amount", stock: "need.stock" });
    const bad = { ...draftOf(product), price: "1.234", sale: "x", stock: "-1", commission: "101", link: "http://x" };
    expect(flawsOf(bad)).toEqual({ price: "need.amount", sale: "need.amount", stock: "need.stock", commission: "need.commission", link: "need.link" });
    expect(flawsOf({ ...draftOf(product), sale: "18.00" })).toEqual({ sale: "need.sale" });
    for (const stock of ["1.5", "1e3", "", " ", "9999999999"]) expect(flawsOf({ ...draftOf(product), stock }).stock, stock).toBe("need.stock");
  });
  it("sends only what changed, and says when something was emptied", () => {
    const before = draftOf(product);
    expect(changesOf(before, before)).toEqual({});
    expect(changesOf(before, { ...before, title: "Cup", stock: "11" })).toEqual({ title: "Cup", stock: 11 });
    expect(changesOf(before, { ...before, sale: "", brand: "" })).toEqual({ sale_price: null, brand: null });
  });
  it("writes percentages without superfluous digits", () => {
    expect([0, 5, 50, 100, 1000, 1250, 10_000].map(percentText)).toEqual(["0", "0.05", "0.5", "1", "10", "12.5", "100"]);
  });
});

describe("CSV template", () => {
  it("has every column, one example row with as many cells, and spreadsheet-proof bytes", () => {
    const text = templateCsv();
    expect(text.startsWith("\ufeffid,title,")).toBe(true);
    const [header, row, end] = text.slice(1).split("\r\n");
    expect(header?.split(",")).toEqual([...COLUMNS]);
    // The title and the description hold a comma each and are quoted.
    expect(row).toContain('"Stoneware mug, 350 ml"');
    expect(row?.match(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/g)?.length).toBe(COLUMNS.length - 1);
    expect(end).toBe("");
  });
});
