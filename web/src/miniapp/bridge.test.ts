import { afterEach, describe, expect, it } from "vitest";
import { parseCall, RESULT, type ResultCode } from "./bridge.js";
import { BridgeHost, type Grants } from "./host.js";
import { HostError, My } from "./my.js";

const open: MessagePort[] = [];
afterEach(() => {
  for (const port of open.splice(0)) port.close();
});

function pair(pay: (tradeNo: string) => Promise<ResultCode> = () => Promise.resolve(RESULT.paid)) {
  const { port1: hostPort, port2: appPort } = new MessageChannel();
  open.push(hostPort, appPort);
  const log: string[] = [];
  const grants: Grants = {
    systemInfo: () => ({ language: "zh", theme: "dark", platform: "web", version: "1" }),
    tradePay: (tradeNo) => (log.push(`pay ${tradeNo}`), pay(tradeNo)),
    setNavigationBar: (title) => void log.push(`title ${title}`),
    close: () => void log.push("close"),
    showToast: (content) => {
      if (content === "boom") throw new Error("no toast");
      log.push(`toast ${content}`);
    },
  };
  const host = new BridgeHost(hostPort, grants);
  const my = new My(appPort);
  return { host, my, log };
}

describe("bridge", () => {
  it("answers each call with its own result", async () => {
    const { my, log } = pair();
    const [info, paid] = await Promise.all([my.getSystemInfo(), my.tradePay({ tradeNO: "T-1" }), my.setNavigationBar({ title: "Shop" })]);
    expect(info.language).toBe("zh");
    expect(paid.resultCode).toBe(9000);
    expect(log).toEqual(["pay T-1", "title Shop"]);
  });

  it("opens one payment at a time, and another after it", async () => {
    let finish: (code: ResultCode) => void = () => undefined;
    const { my, log } = pair(() => new Promise((resolve) => (finish = resolve)));
    const first = my.tradePay({ tradeNO: "T1" });
    const second = my.tradePay({ tradeNO: "T2" });
    await expect(second).rejects.toMatchObject({ code: "busy" });
    finish(RESULT.cancelled);
    expect(await first).toEqual({ resultCode: 6001 });
    const third = my.tradePay({ tradeNO: "T3" });
    await my.getSystemInfo(); // Ports keep order: the third payment is open when this is answered.
    finish(RESULT.paid);
    expect(await third).toEqual({ resultCode: 9000 });
    expect(log).toEqual(["pay T1", "pay T3"]);
  });

  it("turns a refused grant into an error, never into silence", async () => {
    const { my } = pair();
    await expect(my.showToast({ content: "boom" })).rejects.toBeInstanceOf(HostError);
  });

  it("calls success, fail and complete as well as settling the promise", async () => {
    const { my } = pair();
    const seen: string[] = [];
    await my.getSystemInfo({ success: (info) => seen.push(info.platform), complete: () => seen.push("complete") });
    await my.showToast({ content: "boom", fail: (error) => seen.push(error.code), complete: () => seen.push("complete") }).catch(() => undefined);
    expect(seen).toEqual(["web", "complete", "failed", "complete"]);
  });

  it("delivers the life cycle, also to a hook that is set late", async () => {
    const { host, my } = pair();
    host.emit("onLaunch", { path: "product", query: { sku: "A" } });
    await my.getSystemInfo();
    const seen: unknown[] = [];
    my.on("onLaunch", (options) => seen.push(options));
    my.on("onHide", () => seen.push("hide"));
    host.emit("onHide");
    await my.getSystemInfo();
    expect(seen).toEqual([{ path: "product", query: { sku: "A" } }, "hide"]);
  });

  it("says nothing more once disposed", async () => {
    const { host, my, log } = pair();
    host.dispose();
    void my.close();
    await pair().my.getSystemInfo(); // A whole round trip later …
    expect(log).toEqual([]);
  });

  it.each([
    [{ id: 1, method: "tradePay", params: { tradeNO: "../etc" } }, "bad_params"],
    [{ id: 1, method: "tradePay", params: { tradeNO: 7 } }, "bad_params"],
    [{ id: 1, method: "tradePay", params: { tradeNO: "x".repeat(65) } }, "bad_params"],
    [{ id: 1, method: "setNavigationBar", params: { title: "x".repeat(201) } }, "bad_params"],
    [{ id: 1, method: "showToast" }, "bad_params"],
    [{ id: 1, method: "close", params: [] }, "bad_params"],
    [{ id: 1, method: "eval", params: {} }, "unknown_method"],
    [{ id: 1, method: "constructor" }, "unknown_method"],
    [{ id: 1 }, "unknown_method"],
  ])("refuses %j with %s", (data, code) => {
    expect(parseCall(data)).toMatchObject({ reply: { id: 1, error: { code } } });
  });

  it.each([null, 1, "x", [], {}, { id: {} }, { id: "" }, { id: "x".repeat(65) }, { id: 1.5 }, { method: "close" }])("cannot answer %j", (data) => {
    expect(parseCall(data)).toBeNull();
  });
});
