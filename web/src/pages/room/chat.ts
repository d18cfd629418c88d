// <room-chat>: the room's lines, the composer and the nickname dialog. Text reaches the page only as text nodes.
// Knows the socket's calls and the view it is given; knows no video and no cards.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, query, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import type { Line } from "../../generated/wire.js";
import { tc } from "../../i18n/common.js";
import { codeText, errorText } from "../../i18n/errors.js";
import { Refused, type RoomSocket, type RoomView } from "../../realtime/index.js";
import { avatar, define, field, icon, PageElement } from "../../ui/index.js";
import { t } from "./messages.js";
import { acked, after, dropped, lengthOf, LONGEST, refused, sendable, unseen, type Draft } from "./outbox.js";

const NAME_KEY = "nickname";
const AT_END_PX = 48;
const READ_OUT_MS = 4000;
const READ_OUT_LINES = 3;

export class RoomChat extends PageElement {
  @property({ attribute: false }) socket: RoomSocket | null = null;
  @property({ attribute: false }) view: RoomView | null = null;
  @property({ type: Boolean }) disabled = false;

  @state() private drafts: readonly Draft[] = [];
  @state() private typed = "";
  @state() private replyTo: Line | null = null;
  @state() private unread = 0;
  @state() private asking = false;
  @state() private nameError: string | undefined;
  @state() private nameBusy = false;
  @state() private spoken: readonly Line[] = [];
  @query(".chat-lines") private list!: HTMLElement;
  @query("#nickname") private nameInput!: HTMLInputElement;

  private atEnd = true;
  private lastSeen: string | null = null;
  private lastSpoken: string | null = null;
  private speakTimer: ReturnType<typeof setTimeout> | undefined;
  private nextKey = 1;
  private pendingText: string | null = null;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.speakTimer);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("view") || !this.view) return;
    const chat = this.view.chat;
    if (chat === changed.get("view")?.chat) return;
    if (!this.atEnd && this.lastSeen !== null) this.unread = after(chat, this.lastSeen).length;
    // The first lines are history; only what comes later is read out.
    if (this.lastSpoken === null) this.lastSpoken = chat.at(-1)?.id ?? "";
    this.speakTimer ??= setTimeout(() => this.speak(), READ_OUT_MS);
  }

  protected override updated(): void {
    if (!this.atEnd) return;
    this.list.scrollTop = this.list.scrollHeight;
    this.lastSeen = this.view?.chat.at(-1)?.id ?? this.lastSeen;
  }

  /** A busy room would talk over everything: a screen reader gets the last few lines every few seconds. */
  private speak(): void {
    this.speakTimer = undefined;
    const fresh = after(this.view?.chat ?? [], this.lastSpoken).slice(-READ_OUT_LINES);
    if (fresh.length === 0) return;
    this.lastSpoken = fresh.at(-1)?.id ?? this.lastSpoken;
    this.spoken = fresh;
  }

  private readonly onScroll = (): void => {
    const list = this.list;
    this.atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < AT_END_PX;
    if (this.atEnd && this.unread > 0) this.unread = 0;
  };

  private toEnd(): void {
    this.atEnd = true;
    this.unread = 0;
    this.list.scrollTo({ top: this.list.scrollHeight, behavior: "smooth" });
  }

  private submit(event: Event): void {
    event.preventDefault();
    const text = sendable(this.typed);
    if (text === null) return;
    if (storedName() === "") {
      this.pendingText = text;
      this.openName();
      return;
    }
    this.post(text);
  }

  private post(text: string): void {
    const key = `d${this.nextKey++}`;
    const replyTo = this.replyTo?.id ?? null;
    this.drafts = [...this.drafts, { key, text, replyTo, line: null, failed: null }];
    this.typed = "";
    this.replyTo = null;
    this.atEnd = true;
    this.socket?.chat(text, replyTo ?? undefined).then(
      (line) => (this.drafts = acked(this.drafts, key, line)),
      (error: unknown) => (this.drafts = refused(this.drafts, key, whyNot(error))),
    );
  }

  /** A refused line goes back into the composer, to be changed and sent again. */
  private retry(draft: Draft): void {
    this.drafts = dropped(this.drafts, draft.key);
    this.typed = draft.text;
    this.querySelector<HTMLInputElement>(".composer-input")?.focus();
  }

  private openName(): void {
    this.nameError = undefined;
    this.asking = true;
    void this.updateComplete.then(() => this.nameInput.focus());
  }

  private async saveName(event: Event): Promise<void> {
    event.preventDefault();
    const name = this.nameInput.value.trim().replace(/\s+/g, " ");
    if (name === "" || lengthOf(name) > 24) {
      this.nameError = t("name.bad");
      return;
    }
    this.nameBusy = true;
    try {
      await this.socket?.setName(name);
      storeName(name);
      this.asking = false;
      const text = this.pendingText;
      this.pendingText = null;
      if (text !== null) this.post(text);
    } catch (error) {
      this.nameError = whyNot(error);
    } finally {
      this.nameBusy = false;
    }
  }

  protected override render(): TemplateResult {
    const chat = this.view?.chat ?? [];
    const drafts = unseen(this.drafts, chat);
    return html`
      ${this.view?.pinnedLine ? html`<p class="pinned-line">${icon("pin")}<span class="sr-only">${t("chat.pinned")}: </span>
        <span><b>${this.view.pinnedLine.name}</b> ${this.view.pinnedLine.text}</span></p>` : nothing}
      <div class="chat-scroll">
        <div class="chat-lines" role="log" aria-live="off" aria-label=${t("chat")} tabindex="0" @scroll=${this.onScroll}>
          ${chat.length === 0 && drafts.length === 0 ? html`<p class="chat-empty">${t("chat.empty")}</p>` : nothing}
          ${repeat(chat, (line) => line.id, (line) => this.line(line, chat))}
          ${repeat(drafts, (draft) => draft.key, (draft) => this.draft(draft))}
        </div>
        ${this.unread > 0 ? html`<button type="button" class="new-pill" @click=${this.toEnd}>${icon("down")}${t("chat.new", { n: this.unread })}</button>` : nothing}
      </div>
      <div class="sr-only" aria-live="polite">${this.spoken.map((line) => html`<p>${line.name}: ${line.text}</p>`)}</div>
      ${this.composer()}
      <ui-dialog .open=${this.asking} heading=${t("name.title")} @ui-close=${() => (this.asking = false)}>
        <form class="stack" @submit=${this.saveName} novalidate>
          <p class="muted">${t("name.text")}</p>
          ${field({ id: "nickname", label: t("name.label"), error: this.nameError }, (f) => html`<input class="input" id=${f.id} name="nickname"
            aria-describedby=${f.describedBy} aria-invalid=${f.invalid} autocomplete="nickname" maxlength="48" .value=${storedName()} />`)}
          <button class="btn btn-primary btn-block ${this.nameBusy ? "is-busy" : ""}" ?disabled=${this.nameBusy}><span>${t("name.join")}</span></button>
        </form>
      </ui-dialog>`;
  }

  private composer(): TemplateResult {
    const left = LONGEST - lengthOf(this.typed.trim());
    return html`<form class="composer" @submit=${this.submit}>
      ${this.replyTo ? html`<p class="replying"><span class="truncate">${t("chat.replying", { name: this.replyTo.name })}</span>
        <button type="button" class="replying-stop" aria-label=${tc("act.cancel")} @click=${() => (this.replyTo = null)}>${icon("close")}</button></p>` : nothing}
      <div class="composer-row">
        <input class="composer-input" type="text" enterkeyhint="send" autocomplete="off" placeholder=${t("chat.placeholder")} aria-label=${t("chat")}
          .value=${this.typed} ?disabled=${this.disabled} aria-invalid=${left < 0 ? "true" : "false"}
          @input=${(event: InputEvent) => (this.typed = (event.target as HTMLInputElement).value)} />
        ${left <= 50 ? html`<span class="composer-left num ${left < 0 ? "is-over" : ""}" role="status">${t("chat.left", { n: left })}</span>` : nothing}
        <button class="composer-send" aria-label=${t("chat.send")} ?disabled=${this.disabled || sendable(this.typed) === null}>${icon("send")}</button>
      </div>
    </form>`;
  }

  private line(line: Line, chat: readonly Line[]): TemplateResult {
    const own = line.viewer === this.view?.you?.viewer;
    const quoted = line.reply_to === undefined ? undefined : chat.find((other) => other.id === line.reply_to);
    return html`<div class="line role-${line.role}" data-line=${line.id}>
      ${avatar(line.name)}
      <div class="line-body">
        ${quoted ? html`<p class="line-quote truncate">${icon("reply")}${quoted.name}: ${quoted.text}</p>` : nothing}
        <button type="button" class="line-name" title=${own ? t("name.change") : t("chat.reply", { name: line.name })}
          @click=${() => (own ? this.openName() : this.reply(line))}>${line.name}</button>
        ${line.role === "viewer" ? nothing : html`<span class="role-badge">${roleText(line.role)}</span>`}
        ${own ? html`<span class="own-badge">${t("you")}</span>` : nothing}
        <span class="line-text">${line.text}</span>
      </div></div>`;
  }

  private draft(draft: Draft): TemplateResult {
    return html`<div class="line is-draft ${draft.failed ? "is-failed" : ""}">${avatar(storedName() || "?")}
      <div class="line-body"><span class="line-name">${storedName()}</span> <span class="line-text">${draft.text}</span>
        ${draft.failed
          ? html`<button type="button" class="line-failed" @click=${() => this.retry(draft)}>${icon("alert")}${t("chat.unsent")}: ${draft.failed}</button>`
          : draft.line === null ? html`<span class="line-state">${t("chat.sending")}</span>` : nothing}</div></div>`;
  }

  private reply(line: Line): void {
    this.replyTo = line;
    this.querySelector<HTMLInputElement>(".composer-input")?.focus();
  }
}

function roleText(role: Line["role"]): string {
  switch (role) {
    case "operator": return t("role.operator");
    case "brand": return t("role.brand");
    case "influencer": return t("role.influencer");
    case "moderator": return t("role.moderator");
    case "viewer": return "";
  }
}

function whyNot(error: unknown): string {
  return error instanceof Refused ? codeText(error.code) : errorText(error);
}

export function storedName(): string {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return memoryName;
  }
}

let memoryName = "";

function storeName(name: string): void {
  memoryName = name;
  try {
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // Refused storage: the name then lasts as long as the page.
  }
}

define("room-chat", RoomChat);
