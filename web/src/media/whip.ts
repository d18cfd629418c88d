// Publishes a camera, microphone or screen over WHIP (RFC 9725) and keeps the same show going after a drop.
// Knows WebRTC and HTTP; knows no page, and decides by whip_policy.

import { ApiError, NETWORK } from "../api/errors.js";
import { offerExtensions, ofPublisher } from "./extensions.js";
import { layered, single, takesLayers, widened } from "./whip_layers.js";
import { addVideo, connected, gathered, sample, send } from "./whip_peer.js";
import { backoffMs, healthOf, iceServersOf, isFinal, preferred, readingOf, sdpFragment } from "./whip_policy.js";
import type { Health, Reading, Sample } from "./whip_policy.js";

export type { Health, Reading } from "./whip_policy.js";

export type PublishState = "idle" | "connecting" | "live" | "reconnecting" | "stopped" | "failed";

export interface PublishAuthority {
  /** Where to POST the offer. */
  readonly url: string;
  /** Bearer: publish token or stream key. */
  readonly token: string;
}

export interface PublisherEvents {
  /** `error` comes with `failed`, and with `reconnecting` when a reason is known. */
  onState(state: PublishState, error: ApiError | null): void;
  /** About once a second while live. */
  onReading(reading: Reading, health: Health): void;
}

/** How the room stands when a connection was lost: `live` means that somebody's media is flowing. */
export type Standing = "open" | "live" | "ended";

/** Codes of `failed` that no server sends: why a lost connection was not taken up again. */
export const REPLACED = "replaced";
export const SHOW_ENDED = "show_ended";

export interface PublisherOptions {
  /** Asked before every connection, so that a token never outlives its time. */
  readonly authorize: () => Promise<PublishAuthority>;
  /** Asked before every reconnection: a show ended elsewhere must not begin anew, a new host not be pushed out. */
  readonly standing: () => Promise<Standing>;
  /** Bits per second of the picture at full size. */
  readonly videoBps?: number;
  readonly maxFps?: number;
}

// A farewell is worth a short wait: over a dead network it would only delay the return.
const FAREWELL_TIMEOUT_MS = 3_000;
// ICE says "disconnected" for short gaps that heal on their own.
const DISCONNECT_GRACE_MS = 2_500;
const STATS_EVERY_MS = 1_000;
const AUDIO_BPS = 96_000;
const VIDEO_BPS = 2_500_000;
const MAX_FPS = 30;

interface Session {
  readonly peer: RTCPeerConnection;
  readonly video: RTCRtpSender;
  readonly audio: RTCRtpSender;
  resource: string | null;
  etag: string | null;
  token: string;
}

export class WhipPublisher {
  private state: PublishState = "idle";
  private session: Session | null = null;
  private videoTrack: MediaStreamTrack | null = null;
  private audioTrack: MediaStreamTrack | null = null;
  private attempt = 0;
  // Until a browser turns out not to get from several encodings back to one.
  private layers = true;
  // The server had already dropped our session when we lost it, so what is live there now is not ours.
  private dropped = false;
  // Each start and stop is a new run; whatever finishes late belongs to an older one and is dropped.
  private run = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private statsTimer: ReturnType<typeof setInterval> | undefined;
  private graceTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly options: PublisherOptions,
    private readonly events: PublisherEvents,
  ) {}

  get current(): PublishState {
    return this.state;
  }

  private get videoBps(): number {
    return this.options.videoBps ?? VIDEO_BPS;
  }

  private get maxFps(): number {
    return this.options.maxFps ?? MAX_FPS;
  }

  /** Begins publishing these tracks; either may be null, and both can be changed later. */
  async start(video: MediaStreamTrack | null, audio: MediaStreamTrack | null): Promise<void> {
    if (this.state === "connecting" || this.state === "live" || this.state === "reconnecting") return;
    this.videoTrack = video;
    this.audioTrack = audio;
    this.attempt = 0;
    this.dropped = false;
    this.run += 1;
    this.enter("connecting", null);
    await this.connect(this.run, false);
  }

  /** Sends another camera or screen from now on, without a new negotiation. */
  async replaceVideo(track: MediaStreamTrack | null): Promise<void> {
    this.videoTrack = track;
    await this.session?.video.replaceTrack(track);
    if (this.session !== null) await this.limitVideo(this.session.video);
  }

  async replaceAudio(track: MediaStreamTrack | null): Promise<void> {
    this.audioTrack = track;
    await this.session?.audio.replaceTrack(track);
  }

  /**
   * Ends the media session; the room's show is ended by its own route. With `farewell` false the server is not
   * told: it ended the show and dropped the session itself.
   */
  async stop(farewell = true): Promise<void> {
    this.run += 1;
    clearTimeout(this.retryTimer);
    const session = this.session;
    this.drop();
    this.enter("stopped", null);
    if (session !== null && farewell) await this.remove(session, false);
  }

  /** Something says that waiting is over: the network is back, or the server lost our media before we noticed. */
  hurry(): void {
    if (this.state === "reconnecting" && this.retryTimer !== undefined) {
      clearTimeout(this.retryTimer);
      this.retryTimer = undefined;
      void this.connect(this.run, true);
    } else if (this.state === "live" && this.session !== null && this.session.peer.connectionState !== "connected") {
      this.lost(this.session);
    }
  }

  /** The server says that no media of ours arrives, whatever the connection seems to be. */
  distrust(): void {
    if (this.state === "live" && this.session !== null) this.lost(this.session);
  }

  /** For a page that is going away: the DELETE outlives it. */
  abandon(): void {
    this.run += 1;
    clearTimeout(this.retryTimer);
    const session = this.session;
    this.drop();
    if (session !== null) void this.remove(session, true);
  }

  private enter(state: PublishState, error: ApiError | null): void {
    this.state = state;
    this.events.onState(state, error);
  }

  private async connect(run: number, reconnecting: boolean): Promise<void> {
    let session: Session | null = null;
    try {
      if (reconnecting) await this.checkStanding();
      if (run !== this.run) return;
      const authority = await this.options.authorize();
      if (run !== this.run) return;
      session = this.open(authority.token);
      this.session = session;
      await this.negotiate(session, authority.url, run);
      if (run !== this.run) {
        void this.remove(session, false);
        session.peer.close();
        return;
      }
      await connected(session.peer);
      if (run !== this.run) return;
      this.attempt = 0;
      this.dropped = false;
      this.watch(session, run);
      this.enter("live", null);
    } catch (error) {
      if (run !== this.run) return;
      if (session !== null) void this.remove(session, false);
      this.drop();
      const failure = error instanceof ApiError ? error : new ApiError(0, NETWORK, String(error));
      if (isFinal(failure.status, reconnecting) || failure.code === SHOW_ENDED || failure.code === REPLACED) {
        this.run += 1;
        this.enter("failed", failure);
        return;
      }
      this.retry(failure);
    }
  }

  private async checkStanding(): Promise<void> {
    const standing = await this.options.standing();
    if (standing === "ended") throw new ApiError(409, SHOW_ENDED, "the show was ended elsewhere");
    if (standing === "live" && this.dropped) throw new ApiError(409, REPLACED, "somebody else is broadcasting now");
  }

  private open(token: string): Session {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    // One stream, so that receivers keep picture and sound together.
    const stream = new MediaStream();
    const whole = single(this.videoBps, this.maxFps);
    const wanted = this.layers ? layered(this.videoBps, this.maxFps) : whole;
    const video = addVideo(peer, this.videoTrack, stream, wanted, whole);
    const audio = peer.addTransceiver(this.audioTrack ?? "audio", {
      direction: "sendonly",
      streams: [stream],
      sendEncodings: [{ maxBitrate: AUDIO_BPS }],
    });
    const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
    if (codecs.length > 0) video.setCodecPreferences(preferred(codecs));
    offerExtensions(video, ofPublisher);
    offerExtensions(audio, ofPublisher);
    return { peer, video: video.sender, audio: audio.sender, resource: null, etag: null, token };
  }

  private async negotiate(session: Session, url: string, run: number): Promise<void> {
    const { peer } = session;
    const late: RTCIceCandidate[] = [];
    peer.addEventListener("icecandidate", ({ candidate }) => {
      if (candidate !== null && candidate.candidate !== "") late.push(candidate);
    });
    await peer.setLocalDescription(await peer.createOffer());
    await gathered(peer);
    const offer = peer.localDescription?.sdp ?? "";
    const inOffer = late.length;
    const response = await send(url, {
      method: "POST",
      headers: { "content-type": "application/sdp", authorization: `Bearer ${session.token}` },
      body: offer,
    });
    const location = response.headers.get("location");
    session.resource = location === null ? null : new URL(location, new URL(url, window.location.href)).href;
    session.etag = response.headers.get("etag");
    const answer = await response.text();
    if (run !== this.run) return;
    const servers = iceServersOf(response.headers.get("link"));
    if (servers.length > 0) peer.setConfiguration({ iceServers: servers, bundlePolicy: "max-bundle" });
    await peer.setRemoteDescription({ type: "answer", sdp: answer });
    if (session.video.getParameters().encodings[0]?.rid !== undefined && !takesLayers(answer)) await this.widen(session.video);
    await this.limitVideo(session.video);
    if (peer.iceGatheringState !== "complete") {
      peer.addEventListener("icegatheringstatechange", () => {
        const rest = late.slice(inOffer);
        if (peer.iceGatheringState === "complete" && rest.length > 0) void this.trickle(session, offer, rest);
      });
    }
  }

  private async trickle(session: Session, offer: string, candidates: readonly RTCIceCandidate[]): Promise<void> {
    if (session.resource === null) return;
    const headers: Record<string, string> = {
      "content-type": "application/trickle-ice-sdpfrag",
      authorization: `Bearer ${session.token}`,
    };
    if (session.etag !== null) headers["if-match"] = session.etag;
    const lines = candidates.map((entry) => ({ candidate: entry.candidate, mid: entry.sdpMid ?? "0" }));
    try {
      await send(session.resource, { method: "PATCH", headers, body: sdpFragment(offer, lines, true) });
    } catch {
      // Late candidates only widen the choice of paths; those of the offer stand.
    }
  }

  /** The server takes one encoding, and the browser kept the smallest: that becomes the whole picture. */
  private async widen(sender: RTCRtpSender): Promise<void> {
    const parameters = sender.getParameters();
    parameters.encodings = widened(parameters.encodings, this.videoBps, this.maxFps);
    try {
      await sender.setParameters(parameters);
    } catch (error) {
      // Rather one more attempt, with one encoding from the start, than a show in a quarter of its size.
      this.layers = false;
      throw error;
    }
  }

  private async limitVideo(sender: RTCRtpSender): Promise<void> {
    const parameters = sender.getParameters();
    const screen = sender.track?.contentHint === "detail";
    // Text on a shared screen must stay sharp; a face must keep moving.
    parameters.degradationPreference = screen ? "maintain-resolution" : "maintain-framerate";
    try {
      await sender.setParameters(parameters);
    } catch {
      // Browsers without degradationPreference choose for themselves.
    }
  }

  private watch(session: Session, run: number): void {
    const { peer } = session;
    const check = (): void => {
      if (run !== this.run || this.session !== session) return;
      clearTimeout(this.graceTimer);
      if (peer.connectionState === "failed" || peer.connectionState === "closed") this.lost(session);
      else if (peer.connectionState === "disconnected") {
        this.graceTimer = setTimeout(() => this.lost(session), DISCONNECT_GRACE_MS);
      }
    };
    peer.addEventListener("connectionstatechange", check);
    let before: Sample | null = null;
    this.statsTimer = setInterval(() => {
      void sample(peer).then((now) => {
        if (this.session !== session || now === null) return;
        const reading = before === null ? null : readingOf(before, now);
        before = now;
        if (reading !== null) this.events.onReading(reading, healthOf(reading, this.maxFps));
      });
    }, STATS_EVERY_MS);
    check();
  }

  private lost(session: Session): void {
    if (this.session !== session) return;
    const run = this.run;
    this.drop();
    this.enter("reconnecting", null);
    void this.remove(session, false).then((known) => {
      if (run !== this.run) return;
      this.dropped = !known;
      this.retry(null);
    });
  }

  private retry(error: ApiError | null): void {
    const run = this.run;
    const wait = backoffMs(this.attempt, Math.random(), error?.retryAfter ?? null);
    this.attempt += 1;
    this.enter("reconnecting", error);
    this.retryTimer = setTimeout(() => {
      this.retryTimer = undefined;
      void this.connect(run, true);
    }, wait);
  }

  private drop(): void {
    clearInterval(this.statsTimer);
    clearTimeout(this.graceTimer);
    this.session?.peer.close();
    this.session = null;
  }

  /** False when the server says that it had no such session any more; a silent one it notices within seconds. */
  private async remove(session: Session, keepalive: boolean): Promise<boolean> {
    if (session.resource === null) return true;
    const resource = session.resource;
    session.resource = null;
    try {
      await send(resource, { method: "DELETE", headers: { authorization: `Bearer ${session.token}` }, keepalive }, FAREWELL_TIMEOUT_MS);
      return true;
    } catch (error) {
      return !(error instanceof ApiError && error.status === 404);
    }
  }
}
