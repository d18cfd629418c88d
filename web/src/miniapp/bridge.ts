// The words host page and mini-app speak over their one port (docs/protocol.md, "Mini-app bridge").
// Pure: checks shapes, knows no window and no port. The app is a stranger to the host: every field is checked.

export const RESULT = { paid: 9000, processing: 8000, failed: 4000, cancelled: 6001, network: 6002, unknown: 6004 } as const;
export type ResultCode = (typeof RESULT)[keyof typeof RESULT];

export interface SystemInfo {
  readonly language: "en" | "zh";
  readonly theme: "light" | "dark";
  readonly platform: "web";
  readonly version: string;
}

export type Call =
  | { readonly id: CallId; readonly method: "getSystemInfo" | "close" }
  | { readonly id: CallId; readonly method: "tradePay"; readonly tradeNo: string }
  | { readonly id: CallId; readonly method: "setNavigationBar"; readonly title: string }
  | { readonly id: CallId; readonly method: "showToast"; readonly content: string };

export type CallId = string | number;

export interface BridgeError {
  readonly code: string;
  readonly message: string;
}

export type Reply = { readonly id: CallId; readonly result: unknown } | { readonly id: CallId; readonly error: BridgeError };
export type LifecycleName = "onLaunch" | "onShow" | "onHide";
export interface LaunchOptions {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
}
export type Lifecycle = { readonly event: LifecycleName; readonly options?: LaunchOptions };

const MOST_TEXT = 200;
const TRADE_NO = /^[A-Za-z0-9_-]{1,64}$/;

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);
const isId = (value: unknown): value is CallId =>
  (typeof value === "number" && Number.isSafeInteger(value)) || (typeof value === "string" && value.length >= 1 && value.length <= 64);

/** The call in `data`; an error reply where its id could be read; null where nothing can be answered. */
export function parseCall(data: unknown): { call: Call } | { reply: Reply } | null {
  if (!isRecord(data) || !isId(data["id"])) return null;
  const id = data["id"];
  const bad = (code: string, message: string): { reply: Reply } => ({ reply: { id, error: { code, message } } });
  const params = data["params"] ?? {};
  if (!isRecord(params)) return bad("bad_params", "params must be an object");
  const textOf = (name: string): string | null => {
    const value = params[name];
    return typeof value === "string" && value.length <= MOST_TEXT ? value : null;
  };
  switch (data["method"]) {
    case "getSystemInfo":
    case "close":
      return { call: { id, method: data["method"] } };
    case "tradePay": {
      const tradeNo = textOf("tradeNO");
      if (tradeNo === null || !TRADE_NO.test(tradeNo)) return bad("bad_params", "tradeNO must be 1 to 64 letters, digits, - or _");
      return { call: { id, method: "tradePay", tradeNo } };
    }
    case "setNavigationBar": {
      const title = textOf("title");
      return title === null ? bad("bad_params", `title must be at most ${MOST_TEXT} characters`) : { call: { id, method: "setNavigationBar", title } };
    }
    case "showToast": {
      const content = textOf("content");
      return content === null ? bad("bad_params", `content must be at most ${MOST_TEXT} characters`) : { call: { id, method: "showToast", content } };
    }
    default:
      return bad("unknown_method", `no method ${JSON.stringify(data["method"])?.slice(0, 60)}`);
  }
}

/** What the app makes of a message from the host. */
export function parseFromHost(data: unknown): { reply: Reply } | { lifecycle: Lifecycle } | null {
  if (!isRecord(data)) return null;
  if (data["event"] === "onLaunch" || data["event"] === "onShow" || data["event"] === "onHide") {
    return { lifecycle: data as unknown as Lifecycle };
  }
  return isId(data["id"]) && ("result" in data || isRecord(data["error"])) ? { reply: data as unknown as Reply } : null;
}
