// What is wrong with a row of an import, and with one field of a product, in words.
// The server's own message is English and says the particulars; these say the kind in the reader's language.

import { catalogue } from "../../i18n/catalogue.js";

const known = catalogue(
  {
    missing: "A value is needed here.",
    too_long: "The text is too long.",
    bad_money: "Not an amount such as 12.00 USD.",
    bad_decimals: "This currency has fewer decimals.",
    bad_currency: "Unknown currency code.",
    money_too_large: "The amount is too large.",
    currency_mismatch: "The currencies differ.",
    sale_not_lower: "The sale price must be lower than the price.",
    needs_sale_price: "A sale window needs a sale price.",
    bad_date: "Not a time span such as 2026-11-27T00:00+0800/2026-11-30T23:59+0800.",
    bad_stock: "Not a whole number of pieces.",
    stock_reserved: "Placed orders hold more pieces than this.",
    bad_commission: "Not a percentage such as 10%.",
    bad_gtin: "Not a valid GTIN.",
    bad_condition: "Use new, refurbished or used.",
    bad_url: "Not a full https:// address.",
    unknown_image: "This picture is not one of yours.",
    duplicate_id: "The same id stands in an earlier row.",
    missing_column: "This column is missing.",
    duplicate_column: "This column appears twice.",
    unknown_column: "Unknown column; it is not read.",
    too_many_cells: "More cells than the header has.",
    too_many_rows: "Too many rows in one file.",
    empty_file: "The file is empty.",
    bad_csv: "Not valid CSV from here on.",
  },
  {
    missing: "此处必须填写。",
    too_long: "文字过长。",
    bad_money: "不是有效金额，应类似 12.00 USD。",
    bad_decimals: "小数位数超过该币种的规定。",
    bad_currency: "未知的币种代码。",
    money_too_large: "金额过大。",
    currency_mismatch: "币种不一致。",
    sale_not_lower: "促销价须低于原价。",
    needs_sale_price: "设置促销时间须同时填写促销价。",
    bad_date: "不是有效时间段，应类似 2026-11-27T00:00+0800/2026-11-30T23:59+0800。",
    bad_stock: "库存不是整数。",
    stock_reserved: "已下单占用的件数多于此数。",
    bad_commission: "不是有效百分比，应类似 10%。",
    bad_gtin: "GTIN 无效。",
    bad_condition: "只能填 new、refurbished 或 used。",
    bad_url: "不是完整的 https:// 网址。",
    unknown_image: "这张图片不属于您。",
    duplicate_id: "前面的行已有相同的 id。",
    missing_column: "缺少此列。",
    duplicate_column: "此列出现了两次。",
    unknown_column: "未知列，不会读取。",
    too_many_cells: "单元格数多于表头。",
    too_many_rows: "文件行数过多。",
    empty_file: "文件为空。",
    bad_csv: "从此处起不是有效的 CSV。",
  },
);

type Code = Parameters<typeof known>[0];
const codes: ReadonlySet<string> = new Set([
  "missing", "too_long", "bad_money", "bad_decimals", "bad_currency", "money_too_large", "currency_mismatch",
  "stock_reserved", "sale_not_lower", "needs_sale_price", "bad_date", "bad_stock", "bad_commission", "bad_gtin",
  "bad_condition", "bad_url", "unknown_image", "duplicate_id", "missing_column", "duplicate_column", "unknown_column",
  "too_many_cells", "too_many_rows", "empty_file", "bad_csv",
] satisfies Code[]);

/** Words for a stable code, null for one that only the server's message explains. */
export function problemText(code: string): string | null {
  return codes.has(code) ? known(code as Code) : null;
}
