// <studio-stage>: preview, devices, going live over WHIP and ending the show.
// Knows capture and the publisher; cards, chat and numbers it does not.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { rooms } from "../../api/client.js";
import type { ApiError } from "../../api/errors.js";
import type { RoomPhase } from "../../api/types.js";
import { words } from "../../api/words.js";
import { bitrate, clock, decimal, percent } from "../../format/index.js";
import { REPLACED, SHOW_ENDED, WhipPublisher, type Health, type PublishState, type Reading } from "../../media/whip.js";
import { define, icon, notice, PageElement, toast, type IconName } from "../../ui/index.js";
import { ask } from "./confirm.js";
import { Capture, CaptureError, type Devices } from "./capture.js";
import "./level_meter.js";
import { t } from "./room_messages.js";
import { paths } from "./router.js";

// About as many seconds: shorter dips are nobody's business.
const STRAINED_READINGS = 12;

export class StudioStage extends PageElement {
  @property() room = "";
  @property() phase: RoomPhase = "scheduled";
  /** Start of the running show, null before it. */
  @property({ attribute: false }) startedMs: number | null = null;
  /** Whether this account may go live here. */
  @property({ type: Boolean }) host = false;
  @state() private publishing: PublishState = "idle";
  @state() private failure: ApiError | null = null;
  @state() private reading: Reading | null = null;
  @state() private health: Health = "good";
  /** Readings in a row that were not good. A stream that has just begun is still finding its rate. */
  private strained = 0;
  @state() private devices: Devices = { cameras: [], microphones: [] };
  @state() private problem: CaptureError | null = null;
  @state() private choosing = false;
  @state() private busy = false;
  @state() private uptimeMs = 0;
  private readonly capture = new Capture(() => this.captured());
  private publisher: WhipPublisher | null = null;
  private uptimeTimer: ReturnType<typeof setInterval> | undefined;
  private readonly onDevices = (): void => void this.listDevices();
  private readonly onPageHide = (): void => this.publisher?.abandon();
  private readonly onLeave = (event: BeforeUnloadEvent): void => {
    if (this.onAir) event.preventDefault();
  };

  get onAir(): boolean {
    return this.publishing === "connecting" || this.publishing === "live" || this.publishing === "reconnecting";
  }

  /** The show is live, but not from this page: from OBS, another tab, or the demo's publisher. */
  private get elsewhere(): boolean {
    return this.phase === "live" && !this.onAir;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("pagehide", this.onPageHide);
    window.addEventListener("beforeunload", this.onLeave);
    (navigator.mediaDevices as MediaDevices | undefined)?.addEventListener("devicechange", this.onDevices);
    this.uptimeTimer = setInterval(() => this.tick(), 1000);
    if (this.host) void this.openIfAllowed();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("pagehide", this.onPageHide);
    window.removeEventListener("beforeunload", this.onLeave);
    (navigator.mediaDevices as MediaDevices | undefined)?.removeEventListener("devicechange", this.onDevices);
    clearInterval(this.uptimeTimer);
    void this.publisher?.stop();
    this.capture.close();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("startedMs") || changed.has("phase")) this.tick();
    if (!changed.has("phase") || this.publishing !== "live") return;
    // The room knows first what the media connection takes seconds to find out.
    if (this.phase === "ended") void this.publisher?.stop(false);
    if (this.phase === "interrupted") this.publisher?.distrust();
  }

  /** The network or the server is back: a waiting reconnection need not wait any longer. */
  hurry(): void {
    this.publisher?.hurry();
  }

  protected override updated(): void {
    const video = this.querySelector<HTMLVideoElement>("video");
    const track = this.capture.video;
    if (video === null) return;
    const shown = video.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0] ?? null : null;
    if (shown !== track) video.srcObject = track === null ? null : new MediaStream([track]);
  }

  private tick(): void {
    this.uptimeMs = this.startedMs === null ? 0 : Date.now() - this.startedMs;
  }

  /** Where both permissions were given before, no question is asked again. */
  private async openIfAllowed(): Promise<void> {
    try {
      const asked = await Promise.all(["camera", "microphone"].map((name) => navigator.permissions.query({ name: name as PermissionName })));
      if (this.isConnected && asked.every(({ state: answer }) => answer === "granted")) await this.openBoth();
    } catch {
      // Not every browser answers for these names: then the button asks.
    }
  }

  private async attempt(action: () => Promise<void>): Promise<void> {
    this.problem = null;
    try {
      await action();
    } catch (error) {
      if (!(error instanceof CaptureError)) throw error;
      // Closing the browser's own window picker is a choice, not a fault.
      if (error.device === "screen" && error.problem === "denied") return;
      this.problem = error;
    }
  }

  private async openBoth(): Promise<void> {
    // Each on its own: a machine without a camera can still speak.
    await this.attempt(() => this.capture.openMicrophone());
    const first = this.problem;
    await this.attempt(() => this.capture.openCamera());
    this.problem ??= first;
    await this.listDevices();
  }

  private async listDevices(): Promise<void> {
    this.devices = await this.capture.devices();
  }

  private captured(): void {
    void this.publisher?.replaceVideo(this.capture.video);
    void this.publisher?.replaceAudio(this.capture.audio);
    this.requestUpdate();
  }

  private async goLive(): Promise<void> {
    if (this.capture.video === null && this.capture.audio === null) {
      toast(t("stage.need"), "bad");
      return;
    }
    this.failure = null;
    this.reading = null;
    this.publisher = new WhipPublisher(
      {
        authorize: async () => {
          const granted = await rooms.publishToken(this.room);
          // The page's policy lets it talk to its own server only, under whatever name it was opened.
          const { pathname, search } = new URL(granted.whip_url, window.location.href);
          return { url: pathname + search, token: granted.token };
        },
        standing: async () => {
          const { state: phase } = await rooms.get(this.room);
          return phase === "ended" || phase === "live" ? phase : "open";
        },
      },
      {
        onState: (now, error) => {
          this.publishing = now;
          this.failure = error;
          if (now !== "live") {
            this.reading = null;
            this.strained = 0;
          }
          this.dispatchEvent(new CustomEvent("on-air", { detail: this.onAir, bubbles: true, composed: true }));
        },
        onReading: (reading, health) => {
          this.reading = reading;
          this.health = health;
          this.strained = health === "good" ? 0 : this.strained + 1;
        },
      },
    );
    await this.publisher.start(this.capture.video, this.capture.audio);
  }

  private async endShow(): Promise<void> {
    const sure = await ask({ title: t("stage.end.title"), text: t("stage.end.text"), action: t("stage.end"), danger: true });
    if (!sure) return;
    this.busy = true;
    try {
      await rooms.end(this.room);
      await this.publisher?.stop(false);
      this.publisher = null;
      this.publishing = "idle";
      this.dispatchEvent(new CustomEvent("on-air", { detail: false, bubbles: true, composed: true }));
    } catch (error) {
      toast(words(error), "bad");
    } finally {
      this.busy = false;
    }
  }

  protected override render(): TemplateResult {
    return html`<section class="card stage" aria-label=${t("stage.title")}>
      <div class="stage-picture">
        ${this.picture()}
        <div class="stage-over">${this.status()}${this.outgoing()}</div>
        ${this.publishing === "reconnecting" ? html`<div class="stage-banner" role="status">${t("stage.reconnecting")}</div>` : nothing}
      </div>
      ${this.notices()}
      ${this.host ? this.bar() : nothing}
      ${this.choosing ? this.pickers() : nothing}
    </section>`;
  }

  private picture(): TemplateResult {
    if (this.capture.video !== null) {
      const mirror = this.capture.source === "camera" ? "is-mirrored" : "";
      return html`<video class=${mirror} muted autoplay playsinline></video>`;
    }
    const speaking = this.capture.audio !== null;
    return html`<div class="stage-off">
      ${icon(speaking ? "mic" : "camera")}
      <h2>${this.elsewhere ? t("stage.elsewhere") : speaking ? t("stage.audioonly") : t("stage.off")}</h2>
      <p class="small">${this.elsewhere ? t("stage.elsewhere.text") : t("stage.off.text")}</p>
      ${this.host ? html`<button type="button" class="btn btn-primary" @click=${() => void this.openBoth()}>${t("stage.start")}</button>` : nothing}
    </div>`;
  }

  private status(): TemplateResult {
    // Over this page's own picture LIVE means this picture, not the one an encoder sends.
    if (this.publishing === "live" || (this.phase === "live" && this.publishing === "idle" && this.capture.video === null)) {
      return html`<span class="badge badge-live">${t("stage.live")}<span class="num" role="timer" aria-label="${t("uptime")} ${clock(this.uptimeMs)}">${clock(this.uptimeMs)}</span></span>`;
    }
    if (this.publishing === "connecting") return html`<span class="badge badge-info">${t("stage.connecting")}</span>`;
    if (this.publishing === "reconnecting") return html`<span class="badge badge-warn">${t("stage.connecting")}</span>`;
    if (this.publishing === "failed") return html`<span class="badge badge-bad">${t("stage.failed")}</span>`;
    return this.capture.video === null ? html`` : html`<span class="badge stage-chip">${t("stage.preview")}</span>`;
  }

  private outgoing(): TemplateResult | typeof nothing {
    const reading = this.reading;
    if (reading === null || this.publishing !== "live") return nothing;
    const kind = { good: "badge-ok", fair: "badge-warn", poor: "badge-bad", stalled: "badge-bad" }[this.health];
    const size = reading.width > 0 ? `${reading.width}×${reading.height} · ` : "";
    return html`<span class="badge stage-chip num" title=${reading.codec}>${size}${bitrate(reading.bps)} · ${t("health.fps", { fps: decimal(Math.round(reading.fps)) })}${reading.loss >= 0.01 ? html` · ${t("health.loss", { loss: percent(reading.loss) })}` : nothing}</span>
      <span class="badge ${kind}"><span class="sr-only">${t("health.label")}: </span>${t(`health.${this.health}`)}</span>`;
  }

  private notices(): TemplateResult | typeof nothing {
    const parts: TemplateResult[] = [];
    if (this.problem !== null) parts.push(notice("bad", this.problemText(this.problem)));
    if (this.failure !== null && this.publishing === "failed") {
      if (this.failure.code !== SHOW_ENDED) parts.push(notice("bad", words(this.failure, (code) => this.refusalText(code))));
    }
    // Without a picture here, the stage itself says it.
    if (this.host && this.elsewhere && this.publishing === "idle" && this.capture.video !== null) parts.push(notice("info", t("stage.elsewhere.text")));
    const limited = this.reading?.limited;
    if (this.strained >= STRAINED_READINGS && (limited === "cpu" || limited === "bandwidth")) parts.push(notice("warn", t(`health.${limited}`)));
    if (!this.capture.sound && this.capture.audio !== null) parts.push(notice("warn", t("stage.muted")));
    if (!this.capture.picture && this.capture.video !== null) parts.push(notice("warn", t("stage.hidden")));
    if (this.phase === "ended" && !this.onAir) {
      parts.push(notice("info", html`${t("stage.ended")} <a href=${paths.report(this.room)}>${t("stage.ended.report")}</a>`));
    }
    return parts.length === 0 ? nothing : html`<div class="stage-notices stack">${parts}</div>`;
  }

  private refusalText(code: string): string | undefined {
    if (code === REPLACED) return t("whip.replaced");
    if (this.failure?.status === 406) return t("whip.codec");
    return this.failure?.status === 409 ? t("whip.conflict") : undefined;
  }

  private problemText(problem: CaptureError): string {
    if (problem.problem === "insecure" || problem.problem === "unsupported") return t(`problem.${problem.problem}`);
    return t(`problem.${problem.problem}`, { device: t(`device.${problem.device}`) });
  }

  private toggle(name: IconName, label: string, pressed: boolean, enabled: boolean, action: () => void): TemplateResult {
    return html`<button type="button" class="btn btn-icon ${pressed ? "is-off" : ""}" aria-label=${label} title=${label} ?disabled=${!enabled} @click=${action}>${icon(name)}</button>`;
  }

  private bar(): TemplateResult {
    const { capture } = this;
    const sharing = capture.source === "screen";
    const running = this.phase === "live" || this.phase === "interrupted" || this.onAir;
    return html`<div class="stage-bar">
      <div class="row row-fixed stage-tools">
        ${this.toggle(capture.sound ? "mic" : "mute", capture.sound ? t("stage.mic.off") : t("stage.mic.on"), !capture.sound, capture.audio !== null, () => capture.letSound(!capture.sound))}
        <level-meter .level=${() => capture.level()} label=${t("stage.level")}></level-meter>
        ${this.toggle("camera", capture.picture ? t("stage.cam.off") : t("stage.cam.on"), !capture.picture, capture.video !== null, () => capture.showPicture(!capture.picture))}
        ${this.toggle("screen", sharing ? t("stage.screen.stop") : t("stage.screen"), sharing, true, () => void (sharing ? capture.stopScreen() : this.attempt(() => capture.shareScreen())))}
        <button type="button" class="btn btn-icon" aria-label=${t("stage.devices")} title=${t("stage.devices")} aria-expanded=${this.choosing ? "true" : "false"}
          @click=${() => { this.choosing = !this.choosing; void this.listDevices(); }}>${icon("settings")}</button>
      </div>
      <div class="row row-fixed stage-main">
        ${this.onAir ? nothing : html`<button type="button" class="btn btn-accent stage-go" @click=${() => void this.goLive()}>${this.elsewhere ? t("stage.takeover") : running ? t("stage.resume") : t("stage.golive")}</button>`}
        ${running ? html`<button type="button" class="btn btn-danger ${this.busy ? "is-busy" : ""}" ?disabled=${this.busy} @click=${() => void this.endShow()}><span>${t("stage.end")}</span></button>` : nothing}
      </div>
    </div>`;
  }

  private pickers(): TemplateResult {
    const { capture } = this;
    return html`<div class="stage-pickers">
      ${this.picker("pick-camera", t("stage.camera"), this.devices.cameras, capture.cameraId, (id) => this.attempt(() => capture.openCamera(id)))}
      ${this.picker("pick-microphone", t("stage.microphone"), this.devices.microphones, capture.microphoneId, (id) => this.attempt(() => capture.openMicrophone(id)))}
    </div>`;
  }

  private picker(id: string, label: string, list: Devices["cameras"], chosen: string, choose: (id: string) => Promise<void>): TemplateResult {
    return html`<div class="field">
      <label class="field-label" for=${id}>${label}</label>
      <select class="input" id=${id} ?disabled=${list.length === 0} @change=${(event: Event) => void choose((event.target as HTMLSelectElement).value)}>
        ${list.length === 0 ? html`<option>${t("stage.nodevice")}</option>` : nothing}
        ${list.map((device, index) => html`<option value=${device.id} ?selected=${device.id === chosen}>${device.label || t("stage.device", { n: index + 1 })}</option>`)}
      </select>
    </div>`;
  }
}

define("studio-stage", StudioStage);

declare global {
  interface HTMLElementTagNameMap {
    "studio-stage": StudioStage;
  }
}
