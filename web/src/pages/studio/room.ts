// <studio-room>: the control room: stage, numbers, run-sheet and chat of one room, and its live connection.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { rooms } from "../../api/client.js";
import { ApiError } from "../../api/errors.js";
import type { Account, Numbers, Room, RoomPhase } from "../../api/types.js";
import { words } from "../../api/words.js";
import { tc } from "../../i18n/common.js";
import { locale } from "../../i18n/lang.js";
import { RoomSocket } from "../../realtime/index.js";
import { define, empty, icon, notice, PageElement, spinner, tabs, toast } from "../../ui/index.js";
import "./cards.js";
import "./chat.js";
import { ask } from "./confirm.js";
import { may } from "./may.js";
import { t as ts } from "./messages.js";
import "./numbers.js";
import "./room_form.js";
import { t } from "./room_messages.js";
import { stateBadge } from "./rooms.js";
import { paths } from "./router.js";
import "./stage.js";
import "./stream_key.js";

type Panel = "cards" | "chat" | "numbers";

export class StudioRoom extends PageElement {
  @property() room = "";
  @property({ attribute: false }) account!: Account;
  @state() private facts: Room | null = null;
  @state() private problem: unknown = null;
  @state() private first: Numbers | null = null;
  @state() private panel: Panel = "cards";
  @state() private editing = false;
  @state() private key = "";
  private socket: RoomSocket | null = null;
  private unsubscribe: (() => void) | null = null;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.leave();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("room")) return;
    this.leave();
    this.facts = null;
    this.first = null;
    void this.enter(this.room);
  }

  private leave(): void {
    this.unsubscribe?.();
    this.socket?.stop();
    this.socket = null;
  }

  private async enter(room: string): Promise<void> {
    this.problem = null;
    try {
      const facts = await rooms.get(room);
      if (room !== this.room || !this.isConnected) return;
      this.facts = facts;
      // Absent for roles that may moderate but not read figures; the tiles then wait for frames.
      this.first = await rooms.numbers(room).catch(() => null);
    } catch (error) {
      this.problem = error;
      return;
    }
    if (room !== this.room || !this.isConnected) return;
    const socket = new RoomSocket({ room, purpose: "studio", locale: locale() });
    this.socket = socket;
    let open = false;
    this.unsubscribe = socket.subscribe((view) => {
      const before = open;
      open = socket.status.kind === "open";
      if (open && !before) this.querySelector("studio-stage")?.hurry();
      const now = view.room;
      if (now !== null && this.facts !== null && now.title !== this.facts.title) this.facts = { ...this.facts, title: now.title };
      this.requestUpdate();
    });
    socket.start();
    this.requestUpdate();
  }

  private get phase(): RoomPhase {
    return this.socket?.view.room?.state ?? this.facts?.state ?? "scheduled";
  }

  private get startedMs(): number | null {
    if (this.phase !== "live" && this.phase !== "interrupted") return null;
    const view = this.socket?.view.room;
    return (view === undefined || view === null ? this.facts?.show?.started_ms : view.started_ms) ?? null;
  }

  private async newKey(): Promise<void> {
    if (!(await ask({ title: ts("key.new"), text: ts("key.new.text"), action: ts("key.new.do"), danger: true }))) return;
    try {
      this.key = (await rooms.newStreamKey(this.room)).stream_key;
    } catch (error) {
      toast(words(error), "bad");
    }
  }

  private async copyLink(): Promise<void> {
    const link = window.location.origin + paths.watch(this.room);
    try {
      await navigator.clipboard.writeText(link);
      toast(t("linkcopied"), "ok");
    } catch {
      // No clipboard on plain http: show the address instead.
      toast(link);
    }
  }

  protected override render(): TemplateResult {
    if (this.problem !== null) return this.failed();
    const { facts, socket } = this;
    if (facts === null || socket === null) return html`<div class="page center">${spinner()}</div>`;
    const manage = may(this.account.role, "manage");
    const show = may(this.account.role, "cards");
    const { view } = socket;
    const last = view.numbers ?? this.first;
    return html`<div class="control" data-panel=${this.panel}>
      <header class="control-head">
        <div class="grow">
          <div class="row badges">${stateBadge({ state: this.phase })}${facts.test ? html`<span class="badge badge-warn">${ts("state.test")}</span>` : nothing}</div>
          <h1 class="control-title clamp-2">${facts.title}</h1>
        </div>
        <div class="row control-links">
          <button type="button" class="btn btn-sm btn-ghost" @click=${() => void this.copyLink()}>${icon("link")}<span>${t("copylink")}</span></button>
          <a class="btn btn-sm btn-ghost" href=${paths.watch(this.room)} target="_blank" rel="noopener">${icon("eye")}<span>${t("watch")}</span></a>
          <a class="btn btn-sm btn-ghost" href=${paths.report(this.room)}>${icon("chart")}<span>${t("report")}</span></a>
          ${manage ? html`<button type="button" class="btn btn-sm btn-ghost" @click=${() => (this.editing = true)}>${icon("settings")}<span>${t("settings")}</span></button>
            <button type="button" class="btn btn-sm btn-ghost" @click=${() => void this.newKey()}>${icon("lock")}<span>${t("newkey")}</span></button>` : nothing}
        </div>
      </header>
      ${this.link(socket)}
      <div class="control-stage"><studio-stage room=${this.room} phase=${this.phase} .startedMs=${this.startedMs} ?host=${show}></studio-stage></div>
      <div class="control-tabs">${tabs(t("panel.label"), [
        { key: "cards", label: t("panel.cards") },
        { key: "chat", label: t("panel.chat") },
        { key: "numbers", label: t("panel.numbers") },
      ], this.panel, (panel: Panel) => (this.panel = panel))}</div>
      <div class="control-numbers panel-numbers" role="tabpanel" id="panel-numbers" aria-labelledby="tab-numbers"><studio-numbers .numbers=${last} .viewers=${view.viewers} .likes=${Math.max(view.likes, last?.likes ?? 0)}></studio-numbers></div>
      <div class="control-cards panel-cards" role="tabpanel" id="panel-cards" aria-labelledby="tab-cards"><studio-cards room=${this.room} .ver=${view.cardsVer} ?manage=${manage} ?show=${show}></studio-cards></div>
      <div class="control-chat panel-chat" role="tabpanel" id="panel-chat" aria-labelledby="tab-chat"><studio-chat .socket=${socket} .lines=${view.chat} .pinned=${view.pinnedLine} me=${view.you?.viewer ?? ""}></studio-chat></div>
      <room-form .open=${this.editing} .room=${facts} @done=${() => (this.editing = false)}
        @changed=${(event: CustomEvent<Room>) => { this.facts = event.detail; this.editing = false; }}></room-form>
      <stream-key room=${this.room} key=${this.key} @done=${() => (this.key = "")}></stream-key>
    </div>`;
  }

  private link(socket: RoomSocket): TemplateResult | typeof nothing {
    const { status } = socket;
    if (status.kind === "stopped") return html`<div class="control-link">${notice("bad", t("link.stopped"))}</div>`;
    // The first moments of connecting are no news.
    if (status.kind === "waiting") return html`<div class="control-link">${notice("warn", t("link.lost"))}</div>`;
    return nothing;
  }

  private failed(): TemplateResult {
    if (this.problem instanceof ApiError && this.problem.status === 404) {
      return html`<div class="page">${empty({ icon: "search", title: t("gone.title"), text: t("gone.text"), action: html`<a class="btn" href=${paths.rooms}>${t("gone.back")}</a>` })}</div>`;
    }
    return html`<div class="page">${notice("bad", html`${words(this.problem)} <button type="button" class="link" @click=${() => void this.enter(this.room)}>${tc("act.retry")}</button>`)}</div>`;
  }
}

define("studio-room", StudioRoom);

declare global {
  interface HTMLElementTagNameMap {
    "studio-room": StudioRoom;
  }
}
