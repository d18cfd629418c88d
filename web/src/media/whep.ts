// A WHEP viewer that stays connected: one POST, one RTCPeerConnection, and again when it breaks.
// Knows the protocol and the browser's WebRTC; knows no element and no room state.
import { backoffMs, retryAfterMs } from "../realtime/policy.js";
import { offerExtensions, ofViewer } from "./extensions.js";
import { delayOf, feed, isFrozen, newWatchdog, refusalOf, type Delay, type Sample, type Watchdog } from "./whep_policy.js";

export type WhepStatus =
  | "idle"
  | "connecting"
  /** Frames are growing. */
  | "playing"
  /** Nothing is live; it will try again by itself. */
  | "waiting"
  /** The connection broke; it is coming back. */
  | "reconnecting"
  | "no_codec"
  | "failed";

export interface WhepOptions {
  readonly url: string;
  readonly onStatus: (status: WhepStatus) => void;
  /** A new stream to show: once per connection. */
  readonly onStream: (stream: MediaStream) => void;
  readonly onDelay?: (delay: Delay | null) => void;
}

const POST_WITHIN_MS = 10_000;
const GATHER_WITHIN_MS = 250;
const LOOK_EVERY_MS = 500;

interface Session {
  readonly peer: RTCPeerConnection;
  readonly stream: MediaStream;
  dog: Watchdog;
  resource: string | null;
  looks: number;
  /** Cumulative jitter buffer delay (s) and emitted count at the last look: their growth is the present delay. */
  buffered: readonly [delayS: number, emitted: number];
}

export class WhepPlayer {
  status: WhepStatus = "idle";
  /** Set by the page from requestVideoFrameCallback: display time minus capture time of the latest frame. */
  captureToDisplayMs: number | null = null;

  private session: Session | null = null;
  private attempt = 0;
  private wanted = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private lookTimer: ReturnType<typeof setInterval> | undefined;
  private run = 0;

  constructor(private readonly options: WhepOptions) {}

  start(): void {
    if (this.wanted) return;
    this.wanted = true;
    addEventListener("pagehide", this.onPageHide);
    addEventListener("online", this.hurry);
    void this.connect("connecting");
  }

  stop(): void {
    this.wanted = false;
    removeEventListener("pagehide", this.onPageHide);
    removeEventListener("online", this.hurry);
    clearTimeout(this.retryTimer);
    this.close();
    this.setStatus("idle");
  }

  /** The room says it is live (again): no reason to wait out a Retry-After. */
  readonly hurry = (): void => {
    if (!this.wanted || this.status === "playing" || this.status === "connecting" || this.status === "no_codec" || this.status === "failed") return;
    this.attempt = 0;
    void this.connect(this.status === "reconnecting" ? "reconnecting" : "connecting");
  };

  private readonly onPageHide = (): void => this.close();

  private setStatus(status: WhepStatus): void {
    if (this.status === status) return;
    this.status = status;
    this.options.onStatus(status);
  }

  /** `as` is the status to show meanwhile; null keeps the present one. */
  private async connect(as: "connecting" | "reconnecting" | null): Promise<void> {
    clearTimeout(this.retryTimer);
    this.close();
    const run = ++this.run;
    if (as !== null) this.setStatus(as);
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const session: Session = { peer, stream: new MediaStream(), dog: newWatchdog(performance.now()), resource: null, looks: 0, buffered: [0, 0] };
    this.session = session;
    for (const kind of ["video", "audio"]) offerExtensions(peer.addTransceiver(kind, { direction: "recvonly" }), ofViewer);
    peer.ontrack = ({ track }) => {
      session.stream.addTrack(track);
      this.options.onStream(session.stream);
    };
    peer.onconnectionstatechange = () => {
      if (run === this.run && (peer.connectionState === "failed" || peer.connectionState === "closed")) this.broken();
    };
    try {
      await peer.setLocalDescription(await peer.createOffer());
      await gathered(peer);
      const offer = peer.localDescription?.sdp ?? "";
      const response = await fetch(this.options.url, {
        method: "POST",
        headers: { "content-type": "application/sdp", accept: "application/sdp" },
        body: offer,
        signal: AbortSignal.timeout(POST_WITHIN_MS),
      });
      const answer = await response.text();
      const location = response.headers.get("location");
      const resource = location === null ? null : new URL(location, response.url).href;
      if (run !== this.run) {
        // Somebody stopped or restarted meanwhile: give the server its session back.
        if (response.ok && resource !== null) release(resource);
        return;
      }
      if (!response.ok) {
        this.refused(response.status, response.headers.get("retry-after"));
        return;
      }
      session.resource = resource;
      await peer.setRemoteDescription({ type: "answer", sdp: answer });
      if (run !== this.run) return;
      session.dog = newWatchdog(performance.now());
      this.lookTimer = setInterval(() => void this.look(session, run), LOOK_EVERY_MS);
    } catch {
      // No network, no answer in time, or an answer this browser cannot take: all of them may pass.
      if (run === this.run) this.again(null);
    }
  }

  private refused(status: number, retryAfter: string | null): void {
    const seconds = retryAfter !== null && /^\d{1,5}$/.test(retryAfter) ? Number(retryAfter) : null;
    const kind = refusalOf(status);
    this.close();
    if (kind === "final" || kind === "no_codec") {
      this.setStatus(kind === "final" ? "failed" : "no_codec");
      return;
    }
    if (kind === "waiting") this.setStatus("waiting");
    this.again(seconds);
  }

  private again(retryAfterS: number | null): void {
    this.close();
    if (!this.wanted) return;
    if (this.status !== "waiting") this.setStatus("reconnecting");
    const wait = retryAfterS === null ? backoffMs(this.attempt, Math.random()) : retryAfterMs(retryAfterS, this.attempt, Math.random());
    this.attempt += 1;
    clearTimeout(this.retryTimer);
    // While nothing is live the status stays "waiting": the attempts in between are nobody's business.
    this.retryTimer = setTimeout(() => void this.connect(this.status === "waiting" ? null : "reconnecting"), wait);
  }

  private broken(): void {
    this.setStatus("reconnecting");
    this.again(null);
  }

  private async look(session: Session, run: number): Promise<void> {
    const facts = await readStats(session.peer);
    if (run !== this.run) return;
    const now = performance.now();
    const before = session.dog.progress;
    session.dog = feed(session.dog, facts.sample, now);
    if (session.dog.progress > before) {
      this.attempt = 0;
      this.setStatus("playing");
    }
    if (isFrozen(session.dog, now)) {
      this.broken();
      return;
    }
    if (session.looks++ % 2 === 0) {
      const delayS = facts.buffered[0] - session.buffered[0];
      const emitted = facts.buffered[1] - session.buffered[1];
      session.buffered = facts.buffered;
      const jitterBufferMs = emitted > 0 ? (delayS / emitted) * 1000 : null;
      this.options.onDelay?.(delayOf({ captureToDisplayMs: this.captureToDisplayMs, jitterBufferMs, roundTripMs: facts.roundTripMs }));
    }
  }

  private close(): void {
    this.run += 1;
    clearInterval(this.lookTimer);
    this.captureToDisplayMs = null;
    const session = this.session;
    this.session = null;
    if (!session) return;
    session.peer.onconnectionstatechange = null;
    session.peer.ontrack = null;
    session.peer.close();
    if (session.resource !== null) release(session.resource);
  }
}

/** DELETE, also while the page goes away; a server that is gone has nothing to release. */
function release(resource: string): void {
  fetch(resource, { method: "DELETE", keepalive: true }).catch(() => undefined);
}

/** Waits for the local candidates, but not for long: the server learns a late one from the first check. */
function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_WITHIN_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

interface StatFacts {
  readonly sample: Sample;
  readonly buffered: readonly [delayS: number, emitted: number];
  readonly roundTripMs: number | null;
}

async function readStats(peer: RTCPeerConnection): Promise<StatFacts> {
  let framesDecoded = 0;
  let videoPackets = 0;
  let audioPackets = 0;
  let buffered: readonly [number, number] = [0, 0];
  let roundTripMs: number | null = null;
  for (const entry of (await peer.getStats()).values() as Iterable<Record<string, unknown>>) {
    const at = (name: string): number => (typeof entry[name] === "number" ? entry[name] : 0);
    if (entry["type"] === "inbound-rtp" && entry["kind"] === "video") {
      framesDecoded = at("framesDecoded");
      videoPackets = at("packetsReceived");
      buffered = [at("jitterBufferDelay"), at("jitterBufferEmittedCount")];
    } else if (entry["type"] === "inbound-rtp" && entry["kind"] === "audio") {
      audioPackets = at("packetsReceived");
    } else if (entry["type"] === "candidate-pair" && entry["nominated"] === true && typeof entry["currentRoundTripTime"] === "number") {
      roundTripMs = entry["currentRoundTripTime"] * 1000;
    }
  }
  return { sample: { framesDecoded, videoPackets, audioPackets }, buffered, roundTripMs };
}
