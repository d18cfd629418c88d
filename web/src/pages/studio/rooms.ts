// <studio-rooms>: the seller's rooms, newest doings first, and the way to a new one.

import { html, nothing, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { rooms } from "../../api/client.js";
import type { Account, CreatedRoom, Room } from "../../api/types.js";
import { words } from "../../api/words.js";
import { dateTime, relative } from "../../format/index.js";
import { tc } from "../../i18n/common.js";
import { define, empty, icon, notice, PageElement } from "../../ui/index.js";
import { may } from "./may.js";
import { t } from "./messages.js";
import { paths } from "./router.js";
import "./room_form.js";
import "./stream_key.js";

export function stateBadge(room: Pick<Room, "state">): TemplateResult {
  const kind = { live: "badge-live", interrupted: "badge-warn", scheduled: "badge-info", ended: "" }[room.state];
  return html`<span class="badge ${kind}">${t(`state.${room.state}`)}</span>`;
}

/** When the room was or will be on, in words. */
export function whenText(room: Room): string {
  if (room.state === "scheduled") return room.starts_ms === null ? t("rooms.never") : t("rooms.starts", { when: dateTime(room.starts_ms) });
  if (room.show === null) return t("rooms.never");
  return room.show.ended_ms === null
    ? t("rooms.started", { when: relative(room.show.started_ms) })
    : t("rooms.ended", { when: relative(room.show.ended_ms) });
}

const ORDER = ["live", "interrupted", "scheduled", "ended"] as const;

export class StudioRooms extends PageElement {
  @property({ attribute: false }) account!: Account;
  @state() private rooms: readonly Room[] | null = null;
  @state() private problem: string | null = null;
  @state() private making = false;
  @state() private made: CreatedRoom | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  private async load(): Promise<void> {
    this.problem = null;
    try {
      const got = await rooms.mine();
      const last = (room: Room): number => room.show?.started_ms ?? room.starts_ms ?? 0;
      this.rooms = [...got].sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || last(b) - last(a));
    } catch (error) {
      this.problem = words(error);
    }
  }

  private onCreated(event: CustomEvent<CreatedRoom>): void {
    this.making = false;
    this.made = event.detail;
    void this.load();
  }

  protected override render(): TemplateResult {
    const manage = may(this.account.role, "manage");
    return html`<div class="page stack">
      <header class="page-head">
        <div class="grow"><h1>${t("rooms.title")}</h1><p class="muted">${t("rooms.lead")}</p></div>
        ${manage ? html`<button type="button" class="btn btn-primary" @click=${() => (this.making = true)}>${icon("plus")}<span>${t("rooms.new")}</span></button>` : nothing}
      </header>
      ${this.problem === null ? nothing : notice("bad", html`${this.problem} <button type="button" class="link" @click=${() => void this.load()}>${tc("act.retry")}</button>`)}
      ${this.list(manage)}
      <room-form .open=${this.making} .room=${null} @done=${() => (this.making = false)} @created=${(event: CustomEvent<CreatedRoom>) => this.onCreated(event)}></room-form>
      <stream-key room=${this.made?.room.id ?? ""} key=${this.made?.stream_key ?? ""} @done=${() => (this.made = null)}></stream-key>
    </div>`;
  }

  private list(manage: boolean): TemplateResult | typeof nothing {
    if (this.rooms === null) {
      return this.problem === null ? html`<div class="grid" aria-busy="true">${[0, 1, 2].map(() => html`<div class="card skeleton room-skeleton"></div>`)}</div>` : nothing;
    }
    if (this.rooms.length === 0) {
      return html`<div class="card">${empty({
        icon: "camera",
        title: t("rooms.empty"),
        text: t("rooms.empty.text"),
        ...(manage ? { action: html`<button type="button" class="btn btn-primary" @click=${() => (this.making = true)}>${t("rooms.new")}</button>` } : {}),
      })}</div>`;
    }
    return html`<ul class="grid room-grid">${repeat(this.rooms, (room) => room.id, (room) => this.card(room))}</ul>`;
  }

  private card(room: Room): TemplateResult {
    return html`<li class="card room-card">
      <a class="room-poster" href=${paths.room(room.id)} tabindex="-1" aria-hidden="true">
        ${room.poster === null ? html`<span class="room-poster-none">${icon("camera")}</span>` : html`<img src=${room.poster} alt="" loading="lazy" />`}
      </a>
      <div class="room-body">
        <div class="row badges">${stateBadge(room)}
          ${room.test ? html`<span class="badge badge-warn">${t("state.test")}</span>` : nothing}
          ${room.listed || room.test ? nothing : html`<span class="badge">${t("state.unlisted")}</span>`}
          ${room.state === "live" ? html`<span class="badge">${icon("eye")}${tc("people", { n: room.viewers })}</span>` : nothing}
        </div>
        <h2 class="room-title clamp-2"><a href=${paths.room(room.id)}>${room.title}</a></h2>
        <p class="small faint">${whenText(room)}</p>
        <div class="row room-actions">
          <a class="btn btn-sm" href=${paths.room(room.id)}>${t("rooms.control")}</a>
          <a class="btn btn-sm btn-ghost" href=${paths.report(room.id)}>${t("rooms.report")}</a>
          <a class="btn btn-sm btn-ghost" href=${paths.watch(room.id)} target="_blank" rel="noopener">${t("rooms.watch")}</a>
        </div>
      </div>
    </li>`;
  }
}

define("studio-rooms", StudioRooms);

declare global {
  interface HTMLElementTagNameMap {
    "studio-rooms": StudioRooms;
  }
}
