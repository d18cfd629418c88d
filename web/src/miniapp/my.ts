// The app's end of the bridge: the facade `my.*` in the shape mini-app authors know.
// Knows no page; runs in an opaque origin, so it keeps nothing outside memory.
import { parseFromHost, type BridgeError, type CallId, type LaunchOptions, type Lifecycle, type LifecycleName, type ResultCode, type SystemInfo } from "./bridge.js";
import type { Port } from "./host.js";

/** The host refused a call, or there is no host. */
export class HostError extends Error {
  override readonly name = "HostError";
  constructor(readonly code: string, message: string) {
    super(message);
  }
}

interface Callbacks<R> {
  success?: (result: R) => void;
  fail?: (error: BridgeError) => void;
  complete?: () => void;
}

interface Waiting {
  resolve: (result: unknown) => void;
  reject: (error: HostError) => void;
}

export class My {
  private readonly waiting = new Map<CallId, Waiting>();
  private readonly hooks = new Map<LifecycleName, (options: LaunchOptions | undefined) => void>();
  private readonly early: Lifecycle[] = [];
  private nextId = 1;

  constructor(private readonly port: Port) {
    port.onmessage = (event) => this.receive(event.data);
  }

  getSystemInfo(callbacks: Callbacks<SystemInfo> = {}): Promise<SystemInfo> {
    return this.call<SystemInfo>("getSystemInfo", {}, callbacks);
  }

  /** The result is a hint for what to show next; the truth is asked of the server. */
  tradePay(params: { tradeNO: string } & Callbacks<{ resultCode: ResultCode }>): Promise<{ resultCode: ResultCode }> {
    return this.call<{ resultCode: ResultCode }>("tradePay", { tradeNO: params.tradeNO }, params);
  }

  setNavigationBar(params: { title: string } & Callbacks<null>): Promise<null> {
    return this.call<null>("setNavigationBar", { title: params.title }, params);
  }

  showToast(params: { content: string } & Callbacks<null>): Promise<null> {
    return this.call<null>("showToast", { content: params.content }, params);
  }

  close(): Promise<null> {
    return this.call<null>("close", {}, {});
  }

  /** A life cycle event that came before its hook is delivered when the hook is set. */
  on(event: LifecycleName, hook: (options: LaunchOptions | undefined) => void): void {
    this.hooks.set(event, hook);
    for (const missed of this.early.filter((entry) => entry.event === event)) hook(missed.options);
  }

  private receive(data: unknown): void {
    const parsed = parseFromHost(data);
    if (parsed === null) return;
    if ("lifecycle" in parsed) {
      const hook = this.hooks.get(parsed.lifecycle.event);
      if (hook) hook(parsed.lifecycle.options);
      else this.early.push(parsed.lifecycle);
      return;
    }
    const { reply } = parsed;
    const entry = this.waiting.get(reply.id);
    if (!entry) return;
    this.waiting.delete(reply.id);
    if ("error" in reply) entry.reject(new HostError(reply.error.code, reply.error.message));
    else entry.resolve(reply.result);
  }

  private call<R>(method: string, params: Record<string, unknown>, callbacks: Callbacks<R>): Promise<R> {
    const id = this.nextId++;
    const answer = new Promise<unknown>((resolve, reject) => this.waiting.set(id, { resolve, reject })) as Promise<R>;
    this.port.postMessage({ id, method, params });
    answer.then(
      (result) => {
        callbacks.success?.(result);
        callbacks.complete?.();
      },
      (error: HostError) => {
        callbacks.fail?.({ code: error.code, message: error.message });
        callbacks.complete?.();
      },
    );
    return answer;
  }
}

const PORT_WITHIN_MS = 8_000;

/** Waits for the host's port; rejects with HostError `no_host` where the page was opened without one. */
export function connectHost(): Promise<My> {
  const nonce = /(?:^#|&)n=([^&]+)/.exec(location.hash)?.[1];
  if (nonce === undefined || parent === window) return Promise.reject(new HostError("no_host", "not opened by a host page"));
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      removeEventListener("message", onMessage);
      reject(new HostError("no_host", "the host page sent no port"));
    }, PORT_WITHIN_MS);
    function onMessage(event: MessageEvent): void {
      const data = event.data as { type?: unknown; nonce?: unknown } | null;
      const port = event.ports[0];
      if (event.source !== parent || data?.type !== "miniapp.port" || data.nonce !== nonce || !port) return;
      clearTimeout(timer);
      removeEventListener("message", onMessage);
      resolve(new My(port));
    }
    addEventListener("message", onMessage);
  });
}
