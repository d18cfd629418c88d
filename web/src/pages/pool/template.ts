// The CSV template people download: every column the import knows, and one filled row. Pure.

export const COLUMNS = [
  "id", "title", "description", "price", "sale_price", "sale_price_effective_date", "stock", "image_link", "link",
  "brand", "gtin", "mpn", "condition", "item_group_id", "color", "size", "commission",
] as const;

const EXAMPLE: Readonly<Partial<Record<(typeof COLUMNS)[number], string>>> = {
  id: "MUG-01",
  title: "Stoneware mug, 350 ml",
  description: "Hand-glazed, dishwasher safe",
  price: "18.00 USD",
  sale_price: "15.00 USD",
  stock: "120",
  brand: "Example Brand",
  condition: "new",
  color: "Sand",
  size: "350 ml",
  commission: "10%",
};

/** One cell by RFC 4180. */
function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** UTF-8 with a byte order mark: without it spreadsheets read Chinese titles wrongly. */
export function templateCsv(): string {
  const rows = [COLUMNS.map(cell), COLUMNS.map((column) => cell(EXAMPLE[column] ?? ""))];
  return `\ufeff${rows.map((row) => row.join(",")).join("\r\n")}\r\n`;
}
