// The room page: puts picture, chat, card, bag, likes, share and the mini-app together around one RoomSocket.
// Decides which layer is open; the parts do the rest.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { query, state } from "lit/decorators.js";
import { cards, rooms } from "../../api/client.js";
import type { OpenedClick, Room } from "../../api/types.js";
import type { AnyServerFrame, Bought, Card } from "../../generated/wire.js";
import { compact } from "../../i18n/catalogue.js";
import { tc } from "../../i18n/common.js";
import { errorText } from "../../i18n/errors.js";
import { lang } from "../../i18n/lang.js";
import { EMPTY_VIEW, RoomSocket, shownCard, type RoomView, type SocketStatus } from "../../realtime/index.js";
import { avatar, define, empty, icon, langSwitch, PageElement, toast } from "../../ui/index.js";
import { bagRow, ImpressionWatcher, priceText, productCard } from "./card.js";
import { storedName } from "./chat.js";
import { Likes } from "./hearts.js";
import { t } from "./messages.js";
import type { RoomPhase, RoomPlayer } from "./player.js";
import type { ShopSheet } from "./shop_sheet.js";
import "./chat.js";
import "./player.js";
import "./share.js";
import "./shop_sheet.js";
import "./room.css";
import "./card.css";
import "./chat.css";
import "./layers.css";

const BOUGHT_SHOWN_MS = 4200;
const OFFLINE_AFTER_MS = 1500;

class RoomPage extends PageElement {
  @state() private room: Room | null = null;
  @state() private notFound = false;
  @state() private view: RoomView = EMPTY_VIEW;
  @state() private status: SocketStatus = { kind: "idle" };
  @state() private layer: "none" | "bag" | "share" = "none";
  @state() private opened: OpenedClick | null = null;
  @state() private opening: string | null = null;
  @state() private bought: Bought | null = null;
  @state() private offline = false;
  @state() private unsentLikes = 0;
  @query("room-player") private player!: RoomPlayer | null;
  @query("shop-sheet") private shop!: ShopSheet | null;
  @query(".hearts") private heartLayer!: HTMLElement | null;

  private readonly id_ = decodeURIComponent(/^\/r\/([^/]+)/.exec(location.pathname)?.[1] ?? "");
  private readonly socket = new RoomSocket({ room: this.id_, purpose: "view", locale: lang(), ...(storedName() ? { name: storedName() } : {}) });
  private readonly likes = new Likes((n) => {
    this.unsentLikes = 0;
    this.socket.like(n);
  });
  private readonly impressions = new ImpressionWatcher(
    (card, showing) => this.socket.impression(card, showing),
    () => this.layer !== "none" || this.opened !== null,
  );
  private readonly boughtQueue: Bought[] = [];
  private boughtTimer: ReturnType<typeof setTimeout> | undefined;
  private offlineTimer: ReturnType<typeof setTimeout> | undefined;
  private lastTap = 0;
  private trigger: string | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
    this.socket.subscribe((view, frame) => this.onFrame(view, frame));
    this.socket.start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.socket.stop();
    this.impressions.stop();
    clearTimeout(this.boughtTimer);
    clearTimeout(this.offlineTimer);
  }

  private async load(): Promise<void> {
    try {
      this.room = await rooms.get(this.id_);
    } catch (error) {
      if ((error as { status?: number }).status === 404) this.notFound = true;
      else setTimeout(() => void this.load(), 3000);
    }
  }

  private onFrame(view: RoomView, frame: AnyServerFrame | null): void {
    const before = this.view;
    this.view = view;
    if (frame === null) {
      this.status = this.socket.status;
      this.watchConnection();
      return;
    }
    if (frame.t === "tick") {
      if (frame.likes !== undefined) this.likes.total(frame.likes, this.heartLayer);
      if (frame.bought && view !== before) this.announce(frame.bought);
    } else if (frame.t === "welcome") {
      this.player?.hurry();
      this.likes.total(view.likes, null);
    } else if (frame.t === "order") {
      this.shop?.orderMoved(frame.trade_no);
    } else if (frame.t === "room" && frame.room.state !== before.room?.state) {
      // Times and description of a new show are not in the frame.
      void this.load();
    }
  }

  /** Whichever comes back first, picture or socket, tells the other that the server is there. */
  private onWatch(playing: boolean): void {
    this.socket.watch(playing);
    if (playing) this.socket.hurry();
  }

  /** A blink is not worth a word; a lost connection is. */
  private watchConnection(): void {
    if (this.status.kind === "open" || this.status.kind === "stopped") {
      clearTimeout(this.offlineTimer);
      this.offlineTimer = undefined;
      this.offline = false;
    } else if (this.view.room !== null) {
      this.offlineTimer ??= setTimeout(() => (this.offline = true), OFFLINE_AFTER_MS);
    }
  }

  private announce(bought: readonly Bought[]): void {
    this.boughtQueue.push(...bought);
    // Policy: in a rush only the latest are shown.
    this.boughtQueue.splice(0, Math.max(0, this.boughtQueue.length - 5));
    if (this.bought === null) this.nextBought();
  }

  private nextBought(): void {
    this.bought = this.boughtQueue.shift() ?? null;
    if (this.bought !== null) this.boughtTimer = setTimeout(() => this.nextBought(), BOUGHT_SHOWN_MS);
  }

  protected override updated(_changed: PropertyValues): void {
    this.impressions.watch(this.querySelector(".product-card"), shownCard(this.view));
  }

  private async open(card: Card): Promise<void> {
    if (this.opening !== null) return;
    this.opening = card.id;
    try {
      this.trigger = document.activeElement instanceof HTMLElement ? document.activeElement.dataset["card"] : undefined;
      this.opened = await cards.click(this.id_, card.id, card.showing ?? undefined);
      this.layer = "none";
    } catch (error) {
      toast(errorText(error), "bad");
    } finally {
      this.opening = null;
    }
  }

  private closeShop(): void {
    this.opened = null;
    // The card was hidden while the shop was open, so the browser could not give the focus back to it.
    const card = this.trigger;
    if (card !== undefined) void this.updateComplete.then(() => this.querySelector<HTMLElement>(`.product-card[data-card="${CSS.escape(card)}"]`)?.focus());
  }

  private like(): void {
    this.likes.tap(this.heartLayer);
    this.unsentLikes = this.likes.unsent;
  }

  /** Two quick taps on the picture are a like, as everywhere. */
  private onPictureTap(event: PointerEvent): void {
    if ((event.target as HTMLElement).closest("button, a, input")) return;
    const now = event.timeStamp;
    if (now - this.lastTap < 320) this.like();
    this.lastTap = now;
  }

  private get phase(): RoomPhase {
    return this.view.room?.state ?? this.room?.state ?? "unknown";
  }

  protected override render(): TemplateResult {
    const title = this.view.room?.title || this.room?.title || "";
    document.title = title === "" ? tc("brand") : `${title} · ${tc("brand")}`;
    if (this.notFound) return this.gone(t("state.notfound.title"), t("state.failed.text"));
    if (this.status.kind === "stopped") return this.stopped(this.status.code);
    const card = shownCard(this.view);
    const shopping = this.opened !== null;
    return html`
      <main class="room ${shopping ? "is-shopping" : ""}" id="main">
        <div class="stage" @pointerup=${this.onPictureTap}>
          <room-player .src=${this.room ? hereUrl(this.room.whep_url) : ""} .phase=${this.phase} .startsMs=${this.room?.starts_ms ?? null}
            @player-watch=${(event: CustomEvent<boolean>) => this.onWatch(event.detail)}></room-player>
          <div class="hearts" aria-hidden="true"></div>
          ${this.head(title)}
          ${this.offline ? html`<p class="offline-bar" role="status"><span class="spinner"></span>${t("offline")}</p>` : nothing}
          ${this.bought ? html`<p class="bought" role="status" data-bought>${icon("bag")}<span class="truncate">${t("bought", { name: this.bought.name, title: this.bought.title, n: this.bought.quantity })}</span></p>` : nothing}
          ${card ? html`<div class="card-spot">${productCard(card, this.opening === card.id, (chosen) => this.open(chosen))}</div>` : nothing}
          <div class="sr-only" role="status">${card ? t("card.new", { title: card.title, price: priceText(card) }) : ""}</div>
        </div>
        <aside class="side">
          <header class="side-head"><h2>${t("chat")}</h2><span class="small muted num">${t("viewers", { n: this.view.viewers })}</span></header>
          <room-chat .socket=${this.socket} .view=${this.view} ?disabled=${this.status.kind === "idle"}></room-chat>
        </aside>
        ${this.actions()}
      </main>
      <ui-sheet .open=${this.layer === "bag"} heading=${t("bag")} @ui-close=${() => (this.layer = "none")}>${this.bag()}</ui-sheet>
      <room-share .open=${this.layer === "share"} room=${this.id_} heading=${title} @ui-close=${() => (this.layer = "none")}></room-share>
      <shop-sheet .opened=${this.opened} @ui-close=${this.closeShop}></shop-sheet>
      ${shopping ? html`<button type="button" class="return-bar" @click=${this.closeShop}><span class="return-live">${t("app.playing")}</span><span class="truncate">${title}</span><span class="return-go">${t("app.return")}</span></button>` : nothing}`;
  }

  private head(title: string): TemplateResult {
    const seller = this.room?.seller.name ?? "";
    return html`<header class="room-head">
      <div class="host-pill glass">${avatar(seller || "?")}<div class="grow"><h1 class="truncate">${title}</h1><p class="truncate">${seller}</p></div></div>
      ${this.phase === "live" ? html`<span class="badge badge-live">${tc("state.live")}</span>` : nothing}
      <span class="viewer-pill glass num" title=${t("viewers", { n: this.view.viewers })}>${icon("eye")}<span data-viewers aria-hidden="true">${compact(this.view.viewers)}</span><span class="sr-only">${t("viewers", { n: this.view.viewers })}</span></span>
      <span class="head-tools">${langSwitch()}<a class="btn btn-ghost btn-icon" href="/" aria-label=${t("leave")} title=${t("leave")}>${icon("close")}</a></span>
    </header>`;
  }

  private actions(): TemplateResult {
    const n = this.view.cards.filter((card) => card.state !== "hidden").length;
    return html`<nav class="actions" aria-label=${t("more")}>
      <button type="button" class="action action-bag" aria-label=${t("bag.count", { n })} title=${t("bag")} @click=${() => (this.layer = "bag")}>${icon("bag")}${n > 0 ? html`<span class="action-count num">${n}</span>` : nothing}</button>
      <button type="button" class="action" aria-label=${t("share")} title=${t("share")} @click=${() => (this.layer = "share")}>${icon("share")}</button>
      <button type="button" class="action action-like" title=${t("likes", { n: this.view.likes })} @click=${this.like}>${icon("heartFill")}<span class="sr-only">${t("like")}</span><span class="action-note num" data-likes>${compact(this.view.likes + this.unsentLikes)}</span></button>
    </nav>`;
  }

  private bag(): TemplateResult {
    const shown = this.view.cards.filter((card) => card.state !== "hidden").toSorted((a, b) => a.position - b.position);
    if (shown.length === 0) return empty({ icon: "bag", title: t("bag.empty"), text: t("bag.empty.text") });
    return html`<ol class="bag">${shown.map((card, index) => bagRow(card, index + 1, this.opening === card.id, (chosen) => this.open(chosen)))}</ol>`;
  }

  private stopped(code: number): TemplateResult {
    if (code === 4404) return this.gone(t("state.notfound.title"), t("state.failed.text"));
    if (code === 4403) return this.gone(t("state.banned.title"), t("state.banned.text"));
    return this.gone(t("state.version.title"), "", html`<button type="button" class="btn btn-primary" @click=${() => location.reload()}>${t("reload")}</button>`);
  }

  private gone(title: string, text: string, action?: TemplateResult): TemplateResult {
    return html`<main class="room-gone" id="main">${empty({ icon: "live", title, text, action: action ?? html`<a class="btn btn-primary" href="/">${t("leave")}</a>` })}</main>`;
  }
}

/** The address on the host this page was opened by: the server names the one it was configured with. */
function hereUrl(url: string): string {
  const { pathname, search } = new URL(url, location.href);
  return pathname + search;
}

define("app-room", RoomPage);
