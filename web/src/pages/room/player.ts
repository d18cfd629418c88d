// <room-player>: the picture. Plays by WHEP, starts muted, says honestly what it is doing, reports watching.
// Knows the room's state only as a property; knows no chat and no cards.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, query, state } from "lit/decorators.js";
import { locale } from "../../i18n/lang.js";
import { WhepPlayer, type WhepStatus } from "../../media/whep.js";
import { isWorthSaying, type Delay } from "../../media/whep_policy.js";
import { define, icon, PageElement } from "../../ui/index.js";
import { Backdrop } from "./backdrop.js";
import { t } from "./messages.js";

export type RoomPhase = "scheduled" | "live" | "interrupted" | "ended" | "unknown";

interface FrameMetadata {
  readonly captureTime?: number;
  readonly expectedDisplayTime?: number;
}
type VideoWithFrames = HTMLVideoElement & {
  requestVideoFrameCallback?: (callback: (now: number, metadata: FrameMetadata) => void) => number;
};

export class RoomPlayer extends PageElement {
  @property() src = "";
  @property() phase: RoomPhase = "unknown";
  @property({ type: Number, attribute: false }) startsMs: number | null = null;
  @property({ type: Boolean }) small = false;

  @state() private status: WhepStatus = "idle";
  @state() private muted = true;
  @state() private blocked = false;
  @state() private paused = true;
  @state() private delay: Delay | null = null;
  @state() private nowMs = Date.now();
  @state() private landscape = true;
  @query("video") private video!: VideoWithFrames;
  @query("canvas") private canvas!: HTMLCanvasElement;

  private whep: WhepPlayer | null = null;
  private backdrop: Backdrop | null = null;
  private clock: ReturnType<typeof setInterval> | undefined;
  private reported: boolean | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.report);
    this.clock = setInterval(() => (this.nowMs = Date.now()), 1000);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.report);
    clearInterval(this.clock);
    this.whep?.stop();
    this.whep = null;
    this.backdrop?.stop();
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("src") && this.src !== "") this.begin();
    if (!changed.has("phase")) return;
    // An ended show has no picture to wait for, and must not go on sounding; a new one begins with "live".
    if (this.phase === "ended") this.whep?.stop();
    else this.whep?.start();
    if (this.phase === "live") this.whep?.hurry();
  }

  /** Sound on: browsers allow it only from a tap. */
  private unmute(): void {
    this.muted = false;
    this.video.muted = false;
    void this.play();
  }

  /** The server is known to be there: try at once instead of waiting out the backoff. */
  hurry(): void {
    this.whep?.hurry();
  }

  private begin(): void {
    this.whep?.stop();
    this.whep = new WhepPlayer({
      url: this.src,
      onStatus: (status) => {
        this.status = status;
        this.report();
      },
      onStream: (stream) => {
        if (this.video.srcObject !== stream) this.video.srcObject = stream;
        void this.play();
      },
      onDelay: (delay) => (this.delay = delay),
    });
    if (this.phase !== "ended") this.whep.start();
    this.backdrop ??= new Backdrop(this.video, this.canvas);
    this.measure();
  }

  private async play(): Promise<void> {
    try {
      await this.video.play();
      this.blocked = false;
    } catch (error) {
      // An interrupted call (a new stream came) is not a refusal.
      if (error instanceof DOMException && error.name === "NotAllowedError") {
        if (this.muted) this.blocked = true;
        else {
          this.muted = true;
          this.video.muted = true;
          void this.play();
        }
      }
    }
  }

  /** Capture time to display time of each shown frame, where the browser knows the capture time. */
  private measure(): void {
    const step = (_now: number, metadata: FrameMetadata): void => {
      const { captureTime, expectedDisplayTime } = metadata;
      if (this.whep) {
        this.whep.captureToDisplayMs = captureTime === undefined || expectedDisplayTime === undefined ? null : expectedDisplayTime - captureTime;
      }
      if (this.isConnected) this.video.requestVideoFrameCallback?.(step);
    };
    this.video.requestVideoFrameCallback?.(step);
  }

  private readonly report = (): void => {
    const playing = this.status === "playing" && !this.video.paused && !document.hidden;
    if (playing === this.reported) return;
    this.reported = playing;
    this.dispatchEvent(new CustomEvent<boolean>("player-watch", { detail: playing }));
  };

  private readonly onPlayState = (): void => {
    this.paused = this.video.paused;
    this.report();
  };

  private readonly onSize = (): void => {
    this.landscape = this.video.videoWidth >= this.video.videoHeight;
    this.dispatchEvent(new CustomEvent<boolean>("player-landscape", { detail: this.landscape }));
  };

  private toggleMute(): void {
    if (this.muted) this.unmute();
    else {
      this.muted = true;
      this.video.muted = true;
    }
  }

  protected override render(): TemplateResult {
    const showing = this.status === "playing" && !this.paused;
    return html`<div class="player ${this.landscape ? "is-landscape" : "is-portrait"} ${showing ? "is-showing" : ""}" data-status=${this.status}>
      <canvas class="player-backdrop" width="12" height="12" aria-hidden="true"></canvas>
      <video class="player-video" playsinline autoplay muted aria-label=${t("video")} disablepictureinpicture
        @playing=${this.onPlayState} @pause=${this.onPlayState} @resize=${this.onSize} @loadedmetadata=${this.onSize}></video>
      ${this.small ? nothing : html`
        ${this.overlay()}
        ${showing && this.phase !== "ended" ? this.sound() : nothing}
        ${showing && this.delay && isWorthSaying(this.delay) ? this.delayChip(this.delay) : nothing}`}
    </div>`;
  }

  private sound(): TemplateResult {
    return this.muted
      ? html`<button type="button" class="unmute" @click=${this.toggleMute}>${icon("mute")}<span>${t("unmute")}</span></button>`
      : html`<button type="button" class="sound-toggle glass" aria-label=${t("mute")} title=${t("mute")} @click=${this.toggleMute}>${icon("sound")}</button>`;
  }

  private delayChip(delay: Delay): TemplateResult {
    const s = new Intl.NumberFormat(locale(), { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(delay.ms / 1000);
    const text = delay.measured ? t("behind", { s }) : t("behind.least", { s });
    return html`<span class="delay-chip num">${text}</span>`;
  }

  /** What covers the picture: one honest sentence, or nothing while it plays. */
  private overlay(): TemplateResult | typeof nothing {
    if (this.blocked && this.status === "playing") {
      return html`<button type="button" class="player-cover player-tap" @click=${() => this.play()}><span class="tap-mark">${icon("play")}</span>${t("play")}</button>`;
    }
    if (this.phase === "ended") return cover(t("state.ended.title"), t("state.ended.text"));
    if (this.phase === "interrupted") return cover(t("state.interrupted.title"), t("state.interrupted"), true);
    if (this.status === "no_codec") return cover(t("state.codec.title"), t("state.codec.text"));
    if (this.status === "failed") return cover(t("state.failed.title"), t("state.failed.text"));
    if (this.phase === "scheduled") return this.teaser();
    if (this.status === "playing" && !this.paused) return nothing;
    if (this.status === "reconnecting") return cover(t("state.reconnecting"), "", true);
    if (this.status === "waiting" && this.phase !== "live") return cover(t("state.waiting.title"), t("state.waiting.text"), true);
    return cover(t("state.connecting"), "", true);
  }

  private teaser(): TemplateResult {
    const starts = this.startsMs;
    if (starts === null) return cover(t("state.waiting.title"), t("state.waiting.text"));
    const when = new Intl.DateTimeFormat(locale(), { weekday: "long", month: "long", day: "numeric", hour: "2-digit", minute: "2-digit" }).format(starts);
    const left = starts - this.nowMs;
    return html`<div class="player-cover"><p class="cover-kicker">${t("state.starts", { when })}</p>
      <p class="cover-count num">${left > 0 ? countdown(left) : t("state.soon")}</p><p>${t("state.waiting.text")}</p></div>`;
  }
}

function cover(title: string, text: string, busy = false): TemplateResult {
  return html`<div class="player-cover" role="status">${busy ? html`<span class="spinner" aria-hidden="true"></span>` : nothing}
    <p class="cover-title">${title}</p>${text ? html`<p>${text}</p>` : nothing}</div>`;
}

/** 2 d 03:04:05, or 04:05. */
export function countdown(leftMs: number): string {
  const s = Math.max(0, Math.floor(leftMs / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const days = Math.floor(s / 86400);
  const hours = Math.floor(s / 3600) % 24;
  const clock = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  const dayText = days === 0 ? "" : `${new Intl.NumberFormat(locale(), { style: "unit", unit: "day", unitDisplay: "short" }).format(days)} `;
  return days > 0 || hours > 0 ? `${dayText}${two(hours)}:${clock}` : clock;
}

define("room-player", RoomPlayer);
