// The API's stable error codes in words (docs/protocol.md, "Errors" and the frames' `refused`).
// A page with codes of its own passes its own table first: errorText(error, pageErrors).
import { catalogue } from "./catalogue.js";
import { tc } from "./common.js";

const known = catalogue(
  {
    wrong_credentials: "Email or password is wrong.",
    unauthorized: "Please sign in first.",
    forbidden: "Your account may not do this.",
    not_found: "This no longer exists.",
    bad_field: "Please check what you entered.",
    unknown_field: "The page and the server disagree; reload the page.",
    bad_json: "The page and the server disagree; reload the page.",
    bad_frame: "The page and the server disagree; reload the page.",
    too_many: "Too many tries. Wait a moment.",
    rate_limited: "You are sending too fast. Wait a moment.",
    slow_mode: "Slow mode is on. Wait a moment before the next message.",
    too_large: "That is too large.",
    too_long: "That is too long: at most 500 characters.",
    muted: "You are muted in this room.",
    banned: "You were removed from this room.",
    word_blocked: "This message is not allowed here.",
    link_blocked: "Only moderators may post links.",
    bad_name: "Choose another name: 1 to 24 characters.",
    name_taken: "Somebody here already has this name.",
    out_of_stock: "Sold out: fewer are left than you asked for.",
    bad_transition: "Not possible in the present state.",
    sku_taken: "This SKU exists already.",
    idempotency_mismatch: "The order changed while it was being sent. Please check it and try again.",
    bad_signature: "This link is not valid.",
    bad_click: "This link does not belong here.",
    click_expired: "This link has expired. Open the product again from the room.",
    refund_too_large: "More than what is left to refund.",
    unavailable: "The server is busy. Try again in a moment.",
    not_live: "Nobody is live right now.",
  },
  {
    wrong_credentials: "邮箱或密码不正确。",
    unauthorized: "请先登录。",
    forbidden: "您的账号没有此权限。",
    not_found: "内容已不存在。",
    bad_field: "请检查填写的内容。",
    unknown_field: "页面与服务器不一致，请刷新页面。",
    bad_json: "页面与服务器不一致，请刷新页面。",
    bad_frame: "页面与服务器不一致，请刷新页面。",
    too_many: "尝试次数过多，请稍候。",
    rate_limited: "发送太快了，请稍候。",
    slow_mode: "已开启慢速模式，请稍后再发。",
    too_large: "内容过大。",
    too_long: "内容过长，最多 500 个字符。",
    muted: "您在本直播间已被禁言。",
    banned: "您已被移出本直播间。",
    word_blocked: "该消息不允许发送。",
    link_blocked: "只有管理员可以发送链接。",
    bad_name: "请换一个昵称：1 至 24 个字符。",
    name_taken: "该昵称已被使用。",
    out_of_stock: "库存不足，剩余数量少于您所选的数量。",
    bad_transition: "当前状态下无法执行此操作。",
    sku_taken: "该 SKU 已存在。",
    idempotency_mismatch: "提交期间订单内容有变化，请核对后重试。",
    bad_signature: "链接无效。",
    bad_click: "该链接不属于此直播间。",
    click_expired: "链接已过期，请从直播间重新打开商品。",
    refund_too_large: "超过可退金额。",
    unavailable: "服务器繁忙，请稍后再试。",
    not_live: "当前没有直播。",
  },
);

type Known = Parameters<typeof known>[0];
const knownCodes = new Set<string>([
  "wrong_credentials", "unauthorized", "forbidden", "not_found", "bad_field", "unknown_field", "bad_json",
  "bad_frame", "too_many", "rate_limited", "slow_mode", "too_large", "too_long", "muted", "banned",
  "word_blocked", "link_blocked", "bad_name", "name_taken", "out_of_stock", "bad_transition", "sku_taken",
  "idempotency_mismatch", "bad_signature", "bad_click", "click_expired", "refund_too_large", "unavailable", "not_live",
] satisfies Known[]);

/** Words for a stable code; `own` may know the page's particular ones. */
export function codeText(code: string, own?: (code: string) => string | undefined): string {
  return own?.(code) ?? (knownCodes.has(code) ? known(code as Known) : tc("err.unknown", { code }));
}

/** Words for anything a request may throw: an error with a `code`, a timeout, or no network at all. */
export function errorText(error: unknown, own?: (code: string) => string | undefined): string {
  if (error instanceof DOMException && (error.name === "TimeoutError" || error.name === "AbortError")) return tc("err.timeout");
  if (error instanceof TypeError) return tc("err.network");
  if (typeof error === "object" && error !== null) {
    const { code, status } = error as { code?: unknown; status?: unknown };
    if (typeof code === "string" && code !== "") {
      const special = own?.(code) ?? (knownCodes.has(code) ? known(code as Known) : undefined);
      if (special !== undefined) return special;
      if (typeof status === "number" && status >= 500) return tc("err.server");
      return tc("err.unknown", { code });
    }
    if (typeof status === "number" && status >= 500) return tc("err.server");
  }
  return tc("err.server");
}
