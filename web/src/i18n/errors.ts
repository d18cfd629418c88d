// The API's stable error codes in words (docs/protocol.md, "Errors" and the frames' `refused`).
// A page with codes of its own passes its own table first: errorText(error, pageErrors).
import { catalogue } from "./catalogue.js";
import { tc } from "./common.js";

const english = {
  wrong_credentials: "Email or password is wrong.",
  unauthorized: "Please sign in first.",
  sign_in_first: "You are signed out. Please sign in again.",
  no_seller: "This account belongs to no brand.",
  forbidden: "Your account may not do this.",
  not_found: "This no longer exists.",
  bad_field: "Please check what you entered.",
  unknown_field: "The page and the server disagree; reload the page.",
  bad_json: "The page and the server disagree; reload the page.",
  bad_frame: "The page and the server disagree; reload the page.",
  too_many: "Too many tries. Wait a moment.",
  request_timeout: "Sending took too long. Check the connection and try again.",
  publisher_exists: "Somebody else is broadcasting into this room right now.",
  no_common_codec: "The server accepts none of this browser's codecs.",
  media_full: "The server carries as many streams as it can. Try again in a moment.",
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
  busy: "The server is busy. Try again in a moment.",
  draining: "The server is restarting. Try again in a moment.",
  storage: "The server could not save this. Try again in a moment.",
  internal: "Something went wrong on our side. Try again in a moment.",
  provider_unavailable: "The payment service does not answer. Try again in a moment.",
  order_expired: "This order was not paid in time and has expired.",
  card_number: "Never type a card number here.",
  bad_quantity: "Between 1 and 20 pieces.",
  bad_encoding: "The file is not UTF-8. Save it as “CSV UTF-8” and try again.",
  not_an_image: "Choose a PNG, JPEG or WebP picture.",
  broken_image: "This picture cannot be read. Try another file.",
  too_many_pixels: "The picture is too large: at most 40 megapixels.",
  card_exists: "This product is in the room already.",
  too_many_cards: "A room has at most 200 cards.",
  needs_seller: "An operator has no pool. Sign in as the brand.",
  unknown_show: "This show does not exist.",
  bad_money: "Write an amount such as 12.00 USD.",
  currency_mismatch: "The currency does not match.",
  stock_reserved: "Placed orders hold more than that.",
  bad_email: "Enter an email address like name@example.com.",
  timeout: "The server took too long to answer. Try again.",
  network: "No connection to the server. Check your network and try again.",
  unreadable_answer: "Something went wrong on our side. Try again in a moment.",
  closed: "The connection has ended. Reload the page.",
  unknown_room: "This room does not exist.",
  unknown_product: "This product no longer exists.",
  unknown_card: "This product is no longer in the bag.",
  unknown_order: "This order does not exist.",
  unknown_payment: "This payment does not exist.",
  unknown_sku: "This product no longer exists.",
  wrong_role: "Your account may not do this.",
  cross_site: "The page and the server disagree; reload the page.",
} as const;

const chinese: Record<keyof typeof english, string> = {
  wrong_credentials: "邮箱或密码不正确。",
  unauthorized: "请先登录。",
  sign_in_first: "登录已失效，请重新登录。",
  no_seller: "该账号不属于任何品牌。",
  forbidden: "您的账号没有此权限。",
  not_found: "内容已不存在。",
  bad_field: "请检查填写的内容。",
  unknown_field: "页面与服务器不一致，请刷新页面。",
  bad_json: "页面与服务器不一致，请刷新页面。",
  bad_frame: "页面与服务器不一致，请刷新页面。",
  too_many: "尝试次数过多，请稍候。",
  request_timeout: "发送超时，请检查网络后重试。",
  publisher_exists: "已有其他人正在此直播间直播。",
  no_common_codec: "服务器不支持此浏览器的视频编码。",
  media_full: "服务器承载的直播已达上限，请稍后再试。",
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
  busy: "服务器繁忙，请稍后再试。",
  draining: "服务器正在重启，请稍后再试。",
  storage: "服务器暂时无法保存，请稍后再试。",
  internal: "服务器出了点问题，请稍后再试。",
  provider_unavailable: "支付服务没有响应，请稍后再试。",
  order_expired: "订单未在时限内支付，已失效。",
  card_number: "请勿在此输入卡号。",
  bad_quantity: "数量须为 1 至 20 件。",
  bad_encoding: "文件不是 UTF-8 编码，请另存为“CSV UTF-8”后重试。",
  not_an_image: "请选择 PNG、JPEG 或 WebP 图片。",
  broken_image: "无法读取该图片，请换一个文件。",
  too_many_pixels: "图片过大，最多 4000 万像素。",
  card_exists: "该商品已在直播间中。",
  too_many_cards: "每个直播间最多 200 张商品卡。",
  needs_seller: "运营账号没有商品库，请以品牌账号登录。",
  unknown_show: "该场直播不存在。",
  bad_money: "请填写金额，例如 12.00 USD。",
  currency_mismatch: "币种不一致。",
  stock_reserved: "已下单占用的库存多于此数。",
  bad_email: "请输入有效的邮箱，例如 name@example.com。",
  timeout: "服务器响应超时，请重试。",
  network: "无法连接服务器，请检查网络后重试。",
  unreadable_answer: "服务器出了点问题，请稍后再试。",
  closed: "连接已结束，请刷新页面。",
  unknown_room: "直播间不存在。",
  unknown_product: "商品已不存在。",
  unknown_card: "该商品已不在购物袋中。",
  unknown_order: "订单不存在。",
  unknown_payment: "支付单不存在。",
  unknown_sku: "商品已不存在。",
  wrong_role: "您的账号没有此权限。",
  cross_site: "页面与服务器不一致，请刷新页面。",
};

const known = catalogue(english, chinese);

const isKnown = (code: string): code is keyof typeof english => Object.hasOwn(english, code);

/** Words for a stable code; `own` may know the page's particular ones. */
export function codeText(code: string, own?: (code: string) => string | undefined): string {
  return own?.(code) ?? (isKnown(code) ? known(code) : tc("err.unknown", { code }));
}

/** Words for anything a request may throw: an error with a `code`, a timeout, or no network at all. */
export function errorText(error: unknown, own?: (code: string) => string | undefined): string {
  if (error instanceof DOMException && (error.name === "TimeoutError" || error.name === "AbortError")) return tc("err.timeout");
  if (error instanceof TypeError) return tc("err.network");
  if (typeof error === "object" && error !== null) {
    const { code, status } = error as { code?: unknown; status?: unknown };
    if (typeof code === "string" && code !== "") {
      const special = own?.(code) ?? (isKnown(code) ? known(code) : undefined);
      if (special !== undefined) return special;
      if (typeof status === "number" && status >= 500) return tc("err.server");
      return tc("err.unknown", { code });
    }
    if (typeof status === "number" && status >= 500) return tc("err.server");
  }
  return tc("err.server");
}
