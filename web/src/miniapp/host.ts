// The host's end of the bridge: answers one mini-app's calls with what the page grants. Knows no frame and no payment.
import { parseCall, type Call, type LaunchOptions, type LifecycleName, type Reply, type ResultCode, type SystemInfo } from "./bridge.js";

/** What the page grants to the app; a throw becomes an error reply. */
export interface Grants {
  systemInfo(): SystemInfo;
  tradePay(tradeNo: string): Promise<ResultCode>;
  setNavigationBar(title: string): void;
  close(): void;
  showToast(content: string): void;
}

/** The part of MessagePort that is used. */
export type Port = Pick<MessagePort, "onmessage" | "postMessage" | "close">;

export class BridgeHost {
  private paying = false;
  private closed = false;

  constructor(
    private readonly port: Port,
    private readonly grants: Grants,
  ) {
    port.onmessage = (event) => void this.receive(event.data);
  }

  emit(event: LifecycleName, options?: LaunchOptions): void {
    if (!this.closed) this.port.postMessage(options === undefined ? { event } : { event, options });
  }

  dispose(): void {
    this.closed = true;
    this.port.onmessage = null;
    this.port.close();
  }

  private async receive(data: unknown): Promise<void> {
    const parsed = parseCall(data);
    if (parsed === null) return;
    const reply = "reply" in parsed ? parsed.reply : await this.answer(parsed.call);
    if (!this.closed) this.port.postMessage(reply);
  }

  private async answer(call: Call): Promise<Reply> {
    try {
      return { id: call.id, result: await this.perform(call) };
    } catch (error) {
      if (error instanceof Busy) return { id: call.id, error: { code: "busy", message: "a payment is open already" } };
      return { id: call.id, error: { code: "failed", message: error instanceof Error ? error.message : "failed" } };
    }
  }

  private async perform(call: Call): Promise<unknown> {
    switch (call.method) {
      case "getSystemInfo":
        return this.grants.systemInfo();
      case "tradePay":
        // One payment at a time: a second sheet over the first would hide which one the buyer confirms.
        if (this.paying) throw new Busy();
        this.paying = true;
        try {
          return { resultCode: await this.grants.tradePay(call.tradeNo) };
        } finally {
          this.paying = false;
        }
      case "setNavigationBar":
        this.grants.setNavigationBar(call.title);
        return null;
      case "showToast":
        this.grants.showToast(call.content);
        return null;
      case "close":
        this.grants.close();
        return null;
    }
  }
}

class Busy extends Error {}
