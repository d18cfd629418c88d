// What a WHEP viewer decides: what an answer to the POST means, when a picture counts as frozen, and how far
// behind live it is. Pure: knows no RTCPeerConnection; times are arguments (monotonic milliseconds).

export type Refusal =
  /** Nothing is live: wait for the room to say so, or for Retry-After. */
  | "waiting"
  /** Try again with backoff. */
  | "again"
  /** This browser and this stream have no codec in common. */
  | "no_codec"
  /** The room does not exist, or this viewer may not watch it. */
  | "final";

export function refusalOf(status: number): Refusal {
  if (status === 409) return "waiting";
  if (status === 406) return "no_codec";
  if (status === 408 || status === 425 || status === 429 || status >= 500) return "again";
  return "final";
}

/** Cumulative counters of one connection, as getStats has them. */
export interface Sample {
  readonly framesDecoded: number;
  readonly videoPackets: number;
  readonly audioPackets: number;
}

export interface Watchdog {
  readonly progress: number;
  readonly sinceMs: number;
}

/** A picture that has not moved for this long is frozen. */
export const FROZEN_AFTER_MS = 3_000;
/** The first frame may take longer: DTLS and a keyframe come first. */
export const FIRST_FRAME_WITHIN_MS = 8_000;

export const newWatchdog = (nowMs: number): Watchdog => ({ progress: 0, sinceMs: nowMs });

/** Frames count where there is video at all; a broadcast of sound alone is alive by its packets. */
export function progressOf(sample: Sample): number {
  return sample.videoPackets > 0 ? sample.framesDecoded : sample.audioPackets;
}

export function feed(dog: Watchdog, sample: Sample, nowMs: number): Watchdog {
  const progress = progressOf(sample);
  return progress > dog.progress ? { progress, sinceMs: nowMs } : dog;
}

export function isFrozen(dog: Watchdog, nowMs: number): boolean {
  return nowMs - dog.sinceMs > (dog.progress === 0 ? FIRST_FRAME_WITHIN_MS : FROZEN_AFTER_MS);
}

/** What the browser knows of the delay between capture and display, each null where it does not. */
export interface DelayFacts {
  /** From abs-capture-time or sender reports: display time minus capture time. */
  readonly captureToDisplayMs: number | null;
  readonly jitterBufferMs: number | null;
  readonly roundTripMs: number | null;
}

export interface Delay {
  readonly ms: number;
  /** Measured end to end, or only our own share of it (network and buffer), which is a lower bound. */
  readonly measured: boolean;
}

/** A lower bound smaller than this tells a viewer nothing: the real delay may be several times it. */
export const LEAST_WORTH_MS = 1_000;

/** Whether a delay is worth a viewer's attention. */
export const isWorthSaying = (delay: Delay): boolean => delay.measured || delay.ms >= LEAST_WORTH_MS;

/** How far behind live, or null. A capture clock that is off by more than a minute is not believed. */
export function delayOf(facts: DelayFacts): Delay | null {
  const { captureToDisplayMs, jitterBufferMs, roundTripMs } = facts;
  if (captureToDisplayMs !== null && captureToDisplayMs >= 0 && captureToDisplayMs < 60_000) {
    return { ms: captureToDisplayMs, measured: true };
  }
  if (jitterBufferMs === null) return null;
  return { ms: jitterBufferMs + (roundTripMs ?? 0) / 2, measured: false };
}
