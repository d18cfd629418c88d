// The hub: rooms live now, coming up, and past. Polls while it is looked at; knows nothing of media or chat.
import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { auth, rooms } from "../../api/client.js";
import type { Account, Room } from "../../api/types.js";
import { formatRelative } from "../../format/dates.js";
import { tc } from "../../i18n/common.js";
import { errorText } from "../../i18n/errors.js";
import { locale } from "../../i18n/lang.js";
import { define, empty, icon, notice, PageElement } from "../../ui/index.js";
import { calendarFile } from "./calendar.js";
import { t } from "./messages.js";
import "./hub.css";

type Hub = Awaited<ReturnType<typeof rooms.hub>>;

const REFRESH_MS = 8_000;

class HubPage extends PageElement {
  @state() private hub: Hub | undefined;
  @state() private failure: unknown;
  @state() private account: Account | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
    auth.me().then((me) => (this.account = me.account), () => undefined);
    document.addEventListener("visibilitychange", this.onVisible);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.onVisible);
  }

  private readonly onVisible = (): void => {
    if (!document.hidden) void this.load();
  };

  private async load(): Promise<void> {
    clearTimeout(this.timer);
    try {
      this.hub = await rooms.hub();
      this.failure = undefined;
    } catch (error) {
      this.failure = error;
    }
    // A hidden page asks nothing; it catches up when it is shown again.
    if (!document.hidden) this.timer = setTimeout(() => void this.load(), REFRESH_MS);
  }

  protected override render(): TemplateResult {
    document.title = `${t("title")} · ${tc("brand")}`;
    const end = this.account
      ? html`<a class="btn btn-sm" href="/studio">${tc("nav.studio")}</a>`
      : html`<a class="btn btn-sm" href="/signin">${tc("nav.signin")}</a>`;
    return html`<ui-nav .end=${end}></ui-nav>
      <main class="page hub" id="main" tabindex="-1">
        <div class="hub-head"><h1>${t("title")}</h1><p class="muted">${t("lead")}</p></div>
        ${this.failure !== undefined ? this.failed() : nothing}
        ${this.hub ? this.lists(this.hub) : this.failure === undefined ? this.loading() : nothing}
      </main>`;
  }

  private failed(): TemplateResult {
    return notice("bad", html`<div class="row between"><span>${t("failed")} ${errorText(this.failure)}</span>
      <button type="button" class="btn btn-sm" @click=${() => this.load()}>${tc("act.retry")}</button></div>`);
  }

  private loading(): TemplateResult {
    return html`<div class="hub-live" aria-busy="true">
      ${[0, 1].map(() => html`<div class="card live-card"><div class="poster skeleton"></div><div class="live-text">
        <div class="skeleton line-60"></div><div class="skeleton line-40"></div></div></div>`)}</div>`;
  }

  private lists({ live, upcoming, past }: Hub): TemplateResult {
    return html`
      <section aria-labelledby="h-live">
        <h2 id="h-live">${t("live")}</h2>
        ${live.length > 0
          ? html`<div class="hub-live ${live.length === 1 ? "is-single" : ""}">${repeat(live, (room) => room.id, (room) => this.liveCard(room))}</div>`
          : html`<div class="card">${empty({
              icon: "live",
              title: t("empty.title"),
              text: upcoming.length > 0 ? t("empty.upcoming", { n: upcoming.length }) : t("empty.text"),
            })}</div>`}
      </section>
      ${upcoming.length > 0
        ? html`<section aria-labelledby="h-next"><h2 id="h-next">${t("upcoming")}</h2>
            <div class="hub-rows">${repeat(bySoonest(upcoming), (room) => room.id, (room) => this.upcomingRow(room))}</div></section>`
        : nothing}
      ${past.length > 0
        ? html`<section aria-labelledby="h-past"><h2 id="h-past">${t("past")}</h2>
            <div class="hub-past">${repeat(past, (room) => room.id, (room) => this.pastCard(room))}</div></section>`
        : nothing}`;
  }

  private liveCard(room: Room): TemplateResult {
    const interrupted = room.state === "interrupted";
    return html`<a class="card live-card" href="/r/${room.id}">
      <div class="poster">
        ${poster(room)}
        <div class="poster-top">
          ${interrupted ? html`<span class="badge badge-warn">${t("paused")}</span>` : html`<span class="badge badge-live">${tc("state.live")}</span>`}
          <span class="badge badge-glass num">${icon("eye")}${t("watching", { n: room.viewers })}</span>
        </div>
        <span class="poster-play">${icon("play")}</span>
      </div>
      <div class="live-text"><h3 class="clamp-2">${room.title}</h3><p class="muted small">${t("by", { seller: room.seller.name })}</p>
        ${room.description ? html`<p class="small faint clamp-2">${room.description}</p>` : nothing}</div>
    </a>`;
  }

  private upcomingRow(room: Room): TemplateResult {
    const starts = room.starts_ms;
    return html`<article class="card up-row">
      ${starts === null
        ? html`<div class="up-date" aria-hidden="true">${icon("clock")}</div>`
        : html`<div class="up-date" aria-hidden="true"><span class="up-month">${new Intl.DateTimeFormat(locale(), { month: "short" }).format(starts)}</span>
            <span class="up-day num">${new Date(starts).getDate()}</span></div>`}
      <div class="grow"><h3 class="truncate"><a class="up-link" href="/r/${room.id}">${room.title}</a></h3>
        <p class="muted small">${starts === null ? t("no-time") : html`<time datetime=${new Date(starts).toISOString()}>${t("starts", {
          when: new Intl.DateTimeFormat(locale(), { weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" }).format(starts),
        })}</time>`} · ${room.seller.name}</p></div>
      ${starts === null ? nothing : html`<button type="button" class="btn btn-ghost btn-icon up-cal" title=${t("calendar")} aria-label=${t("calendar.of", { title: room.title })}
        @click=${() => saveCalendar(room, starts)}>${icon("calendar")}</button>`}
    </article>`;
  }

  private pastCard(room: Room): TemplateResult {
    const ended = room.show?.ended_ms ?? null;
    return html`<a class="card past-card" href="/r/${room.id}">
      <div class="poster">${poster(room)}</div>
      <div class="past-text"><h3 class="truncate">${room.title}</h3>
        <p class="faint small">${room.seller.name}${ended === null ? nothing : html` · ${t("ended", { when: formatRelative(ended, Date.now(), locale()) })}`}</p></div>
    </a>`;
  }
}

/** The next show first; shows without a time last. */
function bySoonest(upcoming: readonly Room[]): readonly Room[] {
  const at = (room: Room): number => room.starts_ms ?? Number.MAX_SAFE_INTEGER;
  return upcoming.toSorted((a, b) => at(a) - at(b));
}

/** The room's poster, or a drawn cover whose colours depend on the room alone. */
function poster(room: Room): TemplateResult {
  if (room.poster !== null) return html`<img src=${room.poster} alt="" loading="lazy" decoding="async" />`;
  let sum = 7;
  for (const char of room.id) sum = (sum * 33 + (char.codePointAt(0) ?? 0)) >>> 0;
  return html`<div class="cover cover-${sum % 6}" aria-hidden="true"><span>${[...room.seller.name.trim()][0] ?? ""}</span></div>`;
}

function saveCalendar(room: Room, startsMs: number): void {
  const url = new URL(`/r/${encodeURIComponent(room.id)}`, location.origin).href;
  const text = calendarFile({ id: room.id, title: room.title, description: `${room.description}\n${url}`.trim(), url, startsMs }, Date.now());
  const file = URL.createObjectURL(new Blob([text], { type: "text/calendar" }));
  const link = document.createElement("a");
  link.href = file;
  link.download = `${room.id}.ics`;
  link.click();
  URL.revokeObjectURL(file);
}

define("app-hub", HubPage);
