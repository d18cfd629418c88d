// One viewer's connection to a room: says hello, keeps the RoomView, comes back by itself, and repeats
// what was not acknowledged. Knows nothing of elements, so any page or script can use it.
import type { AnyServerFrame } from "../generated/wire.js";
import { backoffMs, comeback } from "./policy.js";
import { EMPTY_VIEW, reduce, type RoomView } from "./view.js";

export type Purpose = "view" | "studio" | "loadtest";
export type SocketStatus =
  | { readonly kind: "idle" | "connecting" | "open" }
  | { readonly kind: "waiting"; readonly untilMs: number }
  | { readonly kind: "stopped"; readonly code: number };

export type ModerateAction = "delete" | "mute" | "unmute" | "ban" | "unban" | "pin" | "unpin";

export interface RoomSocketOptions {
  readonly room: string;
  readonly purpose?: Purpose;
  readonly locale?: string;
  readonly name?: string;
  /** Absolute or relative; `/ws/{room}` of this page's server otherwise. */
  readonly url?: string;
}

/** The server said no to one frame; `code` names a message in the catalogue. */
export class Refused extends Error {
  override readonly name = "Refused";
  constructor(
    readonly code: string,
    readonly detail: string,
    readonly retryMs: number | null,
  ) {
    super(`${code}: ${detail}`);
  }
}

interface Pending {
  readonly text: string;
  readonly resolve: (line: string | null) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

type Listener = (view: RoomView, frame: AnyServerFrame | null) => void;

// At most this many frames wait for an answer; policy: one more is refused as `busy`.
const MOST_PENDING = 20;
const ANSWER_MS = 30_000;
const PING_EVERY_MS = 15_000;
const PONG_WITHIN_MS = 8_000;
const CONNECT_WITHIN_MS = 10_000;

export class RoomSocket {
  view: RoomView = EMPTY_VIEW;
  status: SocketStatus = { kind: "idle" };
  /** Server clock minus ours, from the quickest ping so far (half the round trip is its error). */
  clockOffsetMs = 0;

  private readonly listeners = new Set<Listener>();
  private readonly pending = new Map<string, Pending>();
  private socket: WebSocket | null = null;
  private attempt = 0;
  private welcomed = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private pingTimer: ReturnType<typeof setTimeout> | undefined;
  private pongTimer: ReturnType<typeof setTimeout> | undefined;
  private connectTimer: ReturnType<typeof setTimeout> | undefined;
  private pingSentAt = 0;
  private bestRoundTripMs = Infinity;
  private nextId = 1;
  private watching: { playing: boolean; via: "webrtc" | "hls" } | null = null;
  private readonly idPrefix = Math.random().toString(36).slice(2, 10);

  constructor(private readonly options: RoomSocketOptions) {}

  /** Calls back after each frame and each change of `status` (then with null); returns the function that stops it. */
  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  start(): void {
    if (this.status.kind !== "idle" && this.status.kind !== "stopped") return;
    addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.hurry);
    this.connect();
  }

  stop(): void {
    removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.hurry);
    this.clearTimers();
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
    this.failPending("closed");
    this.setStatus({ kind: "idle" });
  }

  /** Resolves with the line's id once it is durable; rejects with Refused. Repeated over reconnects, posted once. */
  chat(text: string, replyTo?: string): Promise<string | null> {
    return this.ask({ t: "chat", text, ...(replyTo === undefined ? {} : { reply_to: replyTo }) });
  }

  async setName(name: string): Promise<void> {
    await this.ask({ t: "name", name });
    // The next hello must not bring the old one back.
    if (this.view.you) this.view = { ...this.view, you: { ...this.view.you, name } };
  }

  moderate(action: ModerateAction, what: { line?: string; viewer?: string; seconds?: number } = {}): Promise<string | null> {
    return this.ask({ t: "moderate", action, ...what });
  }

  /** Likes may be lost with the connection: they are worth no memory. */
  like(n: number): void {
    this.send({ t: "like", n: Math.max(1, Math.min(50, Math.round(n))) });
  }

  /** Sent on each change, and again after a reconnect, because a watch session ends with its connection. */
  watch(playing: boolean, via: "webrtc" | "hls" = "webrtc"): void {
    if (this.watching?.playing === playing && this.watching.via === via) return;
    this.watching = { playing, via };
    this.send({ t: "watch", playing, via });
  }

  impression(card: string, showing: string): boolean {
    return this.send({ t: "impression", card, showing });
  }

  private ask(frame: Record<string, unknown>): Promise<string | null> {
    if (this.status.kind === "stopped") return Promise.reject(new Refused("closed", "the connection has ended", null));
    if (this.pending.size >= MOST_PENDING) return Promise.reject(new Refused("too_many", "too many unanswered", null));
    const id = `${this.idPrefix}-${this.nextId++}`;
    const text = JSON.stringify({ ...frame, id });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.settle(id, (entry) => entry.reject(new Refused("timeout", "no answer", null))), ANSWER_MS);
      this.pending.set(id, { text, resolve, reject, timer });
      if (this.welcomed) this.socket?.send(text);
    });
  }

  private send(frame: Record<string, unknown>): boolean {
    if (!this.welcomed || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }

  private connect(): void {
    this.clearTimers();
    this.setStatus({ kind: "connecting" });
    const url = new URL(this.options.url ?? `/ws/${encodeURIComponent(this.options.room)}`, location.href);
    url.protocol = url.protocol === "https:" || url.protocol === "wss:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, "streamserver.v1");
    this.socket = socket;
    this.welcomed = false;
    socket.onopen = () => this.hello(socket);
    socket.onmessage = (event) => {
      if (socket === this.socket && typeof event.data === "string") this.receive(event.data);
    };
    socket.onclose = (event) => {
      if (socket === this.socket) this.lost(event.code);
    };
    // A network that swallows packets answers nothing at all: do not wait for TCP's own minutes.
    this.connectTimer = setTimeout(() => this.drop(), CONNECT_WITHIN_MS);
  }

  private hello(socket: WebSocket): void {
    const { pos, token, you } = this.view;
    const name = you?.name || this.options.name;
    socket.send(JSON.stringify({
      t: "hello", v: 1, purpose: this.options.purpose ?? "view",
      ...(pos ? { pos } : {}),
      ...(token ? { viewer: token } : {}),
      ...(name ? { name } : {}),
      ...(this.options.locale ? { locale: this.options.locale } : {}),
    }));
  }

  private receive(text: string): void {
    let frame: AnyServerFrame;
    try {
      frame = JSON.parse(text) as AnyServerFrame;
    } catch {
      return; // Not a frame of this protocol: a proxy's own text, say.
    }
    this.view = reduce(this.view, frame);
    switch (frame.t) {
      case "welcome":
        this.afterWelcome(frame.now_ms);
        break;
      case "ack":
        this.settle(frame.id, (entry) => entry.resolve(frame.line ?? null));
        break;
      case "refused":
        if (frame.id !== undefined) {
          this.settle(frame.id, (entry) => entry.reject(new Refused(frame.code, frame.detail, frame.retry_ms ?? null)));
        }
        break;
      case "pong":
        this.afterPong(frame.now_ms);
        break;
    }
    for (const listener of [...this.listeners]) listener(this.view, frame);
  }

  private afterWelcome(serverNowMs: number): void {
    clearTimeout(this.connectTimer);
    this.attempt = 0;
    this.welcomed = true;
    if (this.bestRoundTripMs === Infinity) this.clockOffsetMs = serverNowMs - Date.now();
    this.setStatus({ kind: "open" });
    if (this.watching) this.send({ t: "watch", ...this.watching });
    for (const entry of this.pending.values()) this.socket?.send(entry.text);
    this.ping();
  }

  private ping(): void {
    clearTimeout(this.pingTimer);
    clearTimeout(this.pongTimer);
    this.pingSentAt = performance.now();
    if (!this.send({ t: "ping", id: `p${this.nextId++}` })) return;
    this.pongTimer = setTimeout(() => this.drop(), PONG_WITHIN_MS);
  }

  private afterPong(serverNowMs: number): void {
    clearTimeout(this.pongTimer);
    const roundTripMs = performance.now() - this.pingSentAt;
    if (roundTripMs <= this.bestRoundTripMs) {
      this.bestRoundTripMs = roundTripMs;
      this.clockOffsetMs = serverNowMs + roundTripMs / 2 - Date.now();
    }
    this.pingTimer = setTimeout(() => this.ping(), PING_EVERY_MS);
  }

  /** Gives up a connection that no longer answers, without waiting for the closing handshake. */
  private drop(): void {
    const socket = this.socket;
    if (!socket) return;
    this.socket = null;
    socket.close();
    this.lost(1006);
  }

  private lost(code: number): void {
    this.clearTimers();
    this.socket = null;
    this.welcomed = false;
    const action = comeback(code);
    if (action === "stop") {
      this.failPending("closed");
      this.setStatus({ kind: "stopped", code });
      return;
    }
    if (action === "fresh") {
      this.view = { ...this.view, pos: null };
      // At once, but a server that keeps saying so must not be asked in a tight loop.
      if (this.attempt === 0) {
        this.attempt = 1;
        this.connect();
        return;
      }
    }
    const wait = backoffMs(this.attempt++, Math.random());
    this.setStatus({ kind: "waiting", untilMs: Date.now() + wait });
    this.retryTimer = setTimeout(() => this.connect(), wait);
  }

  /** The network is back, the page is looked at again, or the server answered elsewhere: no reason to wait longer. */
  readonly hurry = (): void => {
    if (document.hidden) return;
    if (this.status.kind === "waiting") this.connect();
    else if (this.status.kind === "open") this.ping();
  };

  private settle(id: string, act: (entry: Pending) => void): void {
    const entry = this.pending.get(id);
    if (!entry) return;
    this.pending.delete(id);
    clearTimeout(entry.timer);
    act(entry);
  }

  private failPending(code: string): void {
    for (const id of [...this.pending.keys()]) {
      this.settle(id, (entry) => entry.reject(new Refused(code, "the connection has ended", null)));
    }
  }

  private clearTimers(): void {
    clearTimeout(this.retryTimer);
    clearTimeout(this.pingTimer);
    clearTimeout(this.pongTimer);
    clearTimeout(this.connectTimer);
  }

  private setStatus(status: SocketStatus): void {
    this.status = status;
    for (const listener of [...this.listeners]) listener(this.view, null);
  }
}
