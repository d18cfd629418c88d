// <studio-chat>: the room's chat with the host's tools: answer, pin, delete, mute, ban.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { time } from "../../format/index.js";
import type { Line } from "../../generated/wire.js";
import { codeText } from "../../i18n/errors.js";
import { Refused, type ModerateAction, type RoomSocket } from "../../realtime/index.js";
import { avatar, define, icon, PageElement, toast } from "../../ui/index.js";
import { ask } from "./confirm.js";
import { t } from "./room_messages.js";

const MUTE_S = 600;
const LONGEST_LINE = 500;
const AT_END_PX = 60;

export class StudioChat extends PageElement {
  @property({ attribute: false }) socket!: RoomSocket;
  @property({ attribute: false }) lines: readonly Line[] = [];
  @property({ attribute: false }) pinned: Line | null = null;
  /** This member's own viewer id: no tools against oneself. */
  @property() me = "";
  @state() private opened: string | null = null;
  @state() private text = "";
  @state() private unseen = false;
  // What was done from this page; the room's frames do not say who is muted.
  @state() private muted: ReadonlySet<string> = new Set();
  @state() private banned: ReadonlySet<string> = new Set();
  private follow = true;
  // One's own line is wanted on screen, wherever one was reading.
  private sent = false;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("lines")) return;
    const list = this.querySelector<HTMLElement>(".chat-lines");
    this.follow = this.sent || list === null || list.scrollHeight - list.scrollTop - list.clientHeight < AT_END_PX;
    if (!this.follow && (changed.get("lines")?.length ?? 0) > 0) this.unseen = true;
  }

  protected override updated(changed: PropertyValues<this>): void {
    // The tools of the lowest line open below the edge.
    if (changed.has("opened" as keyof StudioChat)) this.querySelector(".chat-line.is-open")?.scrollIntoView({ block: "nearest" });
    if (!changed.has("lines") || !this.follow) return;
    this.toEnd();
    this.sent = false;
  }

  private toEnd(): void {
    const list = this.querySelector<HTMLElement>(".chat-lines");
    list?.scrollTo({ top: list.scrollHeight });
    this.unseen = false;
  }

  private refused(error: unknown): void {
    toast(error instanceof Refused ? codeText(error.code) : String(error), "bad");
  }

  private async send(event: Event): Promise<void> {
    event.preventDefault();
    const text = this.text.trim();
    if (text === "") return;
    this.text = "";
    this.sent = true;
    try {
      await this.socket.chat(text);
    } catch (error) {
      // Give the words back, unless new ones are being typed.
      if (this.text === "") this.text = text;
      this.refused(error);
    }
  }

  private async moderate(action: ModerateAction, line: Line): Promise<void> {
    if (action === "ban" && !(await ask({ title: t("chat.ban.title", { name: line.name }), text: t("chat.ban.text"), action: t("chat.ban"), danger: true }))) return;
    const aboutViewer = action === "mute" || action === "unmute" || action === "ban" || action === "unban";
    try {
      await this.socket.moderate(action, aboutViewer ? { viewer: line.viewer, ...(action === "mute" ? { seconds: MUTE_S } : {}) } : { line: line.id });
      this.remember(action, line.viewer);
      this.opened = null;
      if (action === "delete" || action === "pin" || action === "unpin") toast(t(`chat.done.${action}`), "ok");
      else toast(t(`chat.done.${action}`, { name: line.name }), "ok");
    } catch (error) {
      this.refused(error);
    }
  }

  private remember(action: ModerateAction, viewer: string): void {
    const without = (set: ReadonlySet<string>): Set<string> => new Set([...set].filter((id) => id !== viewer));
    if (action === "mute") this.muted = new Set([...this.muted, viewer]);
    if (action === "unmute") this.muted = without(this.muted);
    if (action === "ban") this.banned = new Set([...this.banned, viewer]);
    if (action === "unban") this.banned = without(this.banned);
  }

  private onScroll(event: Event): void {
    const list = event.target as HTMLElement;
    if (list.scrollHeight - list.scrollTop - list.clientHeight < AT_END_PX) this.unseen = false;
  }

  protected override render(): TemplateResult {
    return html`<section class="card chat" aria-label=${t("panel.chat")}>
      <header class="card-head"><h2 class="panel-title">${t("panel.chat")}</h2></header>
      ${this.pinned === null ? nothing : html`<div class="chat-pinned">${icon("pin")}<div class="grow"><span class="sr-only">${t("chat.pinned")}: </span><span class="strong">${this.pinned.name}</span> ${this.pinned.text}</div>
        <button type="button" class="btn btn-sm btn-ghost" @click=${() => this.pinned !== null && void this.moderate("unpin", this.pinned)}>${t("chat.unpin")}</button></div>`}
      <div class="chat-lines" role="log" aria-label=${t("chat.label")} aria-live="polite" tabindex="0" @scroll=${(event: Event) => this.onScroll(event)}>
        ${this.lines.length === 0 ? html`<p class="faint small chat-empty">${t("chat.empty")}</p>` : nothing}
        ${repeat(this.lines, (line) => line.id, (line) => this.line(line))}
      </div>
      ${this.unseen ? html`<button type="button" class="chat-new" @click=${() => this.toEnd()}>${icon("down")}${t("chat.new")}</button>` : nothing}
      <form class="chat-form row row-fixed" @submit=${(event: Event) => void this.send(event)}>
        <input class="input grow" maxlength=${LONGEST_LINE} aria-label=${t("chat.write")} placeholder=${t("chat.write")} autocomplete="off" enterkeyhint="send"
          .value=${this.text} @input=${(event: InputEvent) => (this.text = (event.target as HTMLInputElement).value)} />
        <button type="submit" class="btn btn-icon btn-primary" aria-label=${t("chat.send")} title=${t("chat.send")} ?disabled=${this.text.trim() === ""}>${icon("send")}</button>
      </form>
    </section>`;
  }

  private line(line: Line): TemplateResult {
    const open = this.opened === line.id;
    const role = line.role === "viewer" ? nothing : html`<span class="badge badge-accent">${t(`role.${line.role}`)}</span>`;
    return html`<div class="chat-line ${open ? "is-open" : ""}">
      ${avatar(line.name)}
      <div class="grow"><p class="xsmall faint"><span class="strong chat-name">${line.name}</span> ${role} <time>${time(line.at_ms)}</time></p>
        <p class="chat-text">${line.text}</p>
        ${open ? this.tools(line) : nothing}</div>
      <button type="button" class="btn btn-sm btn-icon btn-ghost chat-more" aria-expanded=${open ? "true" : "false"} aria-label=${t("chat.actions", { name: line.name })}
        @click=${() => (this.opened = open ? null : line.id)}>${icon("more")}</button>
    </div>`;
  }

  private tools(line: Line): TemplateResult {
    const muted = this.muted.has(line.viewer);
    const banned = this.banned.has(line.viewer);
    const tool = (action: ModerateAction, label: string, kind = ""): TemplateResult =>
      html`<button type="button" class="btn btn-sm ${kind}" @click=${() => void this.moderate(action, line)}>${label}</button>`;
    return html`<div class="row chat-tools">
      ${this.pinned?.id === line.id ? tool("unpin", t("chat.unpin")) : tool("pin", t("chat.pin"))}
      ${tool("delete", t("chat.delete"))}
      ${line.viewer === this.me || line.role !== "viewer" ? nothing : html`
        ${muted ? tool("unmute", t("chat.unmute")) : tool("mute", t("chat.mute"))}
        ${banned ? tool("unban", t("chat.unban")) : tool("ban", t("chat.ban"), "btn-danger")}`}
    </div>`;
  }
}

define("studio-chat", StudioChat);

declare global {
  interface HTMLElementTagNameMap {
    "studio-chat": StudioChat;
  }
}
