// What a WHIP publisher decides: when to try again, which codec first, how healthy the outgoing stream is.
// Pure: knows no RTCPeerConnection and no fetch; randomness and times are arguments.

const BACKOFF_FIRST_MS = 500;
const BACKOFF_CAP_MS = 10_000;

/** Full jitter: milliseconds before reconnect number `attempt` (from 0), `random` in [0, 1); a server's wish is a floor. */
export function backoffMs(attempt: number, random: number, retryAfterS: number | null): number {
  const spread = random * Math.min(BACKOFF_CAP_MS, BACKOFF_FIRST_MS * 2 ** attempt);
  return Math.max(spread, (retryAfterS ?? 0) * 1000);
}

/**
 * Whether an answer to the POST settles it. A conflict on the first try is somebody else's broadcast; while
 * reconnecting it is usually our own session that the server has not buried yet.
 */
export function isFinal(status: number, reconnecting: boolean): boolean {
  if (status === 409) return !reconnecting;
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** The codecs a sender offers, best first: H.264 (hardware encoders), then VP8, then whatever else there is. */
export function preferred<T extends { readonly mimeType: string }>(codecs: readonly T[]): T[] {
  const rank = (codec: T): number => {
    const name = codec.mimeType.toLowerCase();
    if (name === "video/h264") return 0;
    if (name === "video/vp8") return 1;
    // Retransmission and redundancy formats follow the codecs that use them.
    return name === "video/rtx" || name === "video/red" || name === "video/ulpfec" ? 3 : 2;
  };
  return codecs.map((codec, index) => ({ codec, index })).sort((a, b) => rank(a.codec) - rank(b.codec) || a.index - b.index).map(({ codec }) => codec);
}

/** ICE servers of `Link: <stun:host>; rel="ice-server"` headers (RFC 9725 section 4.6). */
export function iceServersOf(link: string | null): RTCIceServer[] {
  if (link === null) return [];
  const servers: RTCIceServer[] = [];
  for (const part of link.split(/,(?=\s*<)/)) {
    const url = /<([^>]+)>/.exec(part)?.[1];
    if (url === undefined || !/;\s*rel="?ice-server"?/i.test(part)) continue;
    const attribute = (name: string): string | undefined => new RegExp(`;\\s*${name}="([^"]*)"`, "i").exec(part)?.[1];
    const username = attribute("username");
    const credential = attribute("credential");
    servers.push(username === undefined || credential === undefined ? { urls: url } : { urls: url, username, credential });
  }
  return servers;
}

/** `a=candidate` lines as the body of a trickle PATCH (RFC 8840), for the session `offer` describes. */
export function sdpFragment(offer: string, candidates: readonly { readonly candidate: string; readonly mid: string }[], done: boolean): string {
  const line = (name: string): string => new RegExp(`^a=${name}:.*$`, "m").exec(offer)?.[0].trim() ?? "";
  const lines = [line("ice-ufrag"), line("ice-pwd")].filter((text) => text !== "");
  for (const mid of new Set(candidates.map((entry) => entry.mid))) {
    const kind = mediaOf(offer, mid);
    lines.push(`m=${kind} 9 UDP/TLS/RTP/SAVPF 0`, `a=mid:${mid}`);
    for (const entry of candidates) if (entry.mid === mid) lines.push(`a=${entry.candidate}`);
    if (done) lines.push("a=end-of-candidates");
  }
  return `${lines.join("\r\n")}\r\n`;
}

function mediaOf(offer: string, mid: string): string {
  const section = offer.split(/^(?=m=)/m).find((text) => new RegExp(`^a=mid:${mid}\\s*$`, "m").test(text));
  return section?.startsWith("m=audio") === true ? "audio" : "video";
}

/** Counters of one moment, as getStats gives them. */
export interface Sample {
  readonly atMs: number;
  readonly bytes: number;
  readonly frames: number;
  readonly packets: number;
  /** Cumulative packets the server reports lost. */
  readonly lost: number;
  readonly rttMs: number | null;
  readonly width: number;
  readonly height: number;
  /** `none`, `cpu`, `bandwidth` or `other`. */
  readonly limited: string;
  readonly codec: string;
}

export interface Reading {
  readonly bps: number;
  readonly fps: number;
  /** Share of packets lost since the sample before. */
  readonly loss: number;
  readonly rttMs: number | null;
  readonly width: number;
  readonly height: number;
  readonly limited: string;
  readonly codec: string;
}

/** Rates between two samples; null where no time passed or the counters began again. */
export function readingOf(before: Sample, now: Sample): Reading | null {
  const seconds = (now.atMs - before.atMs) / 1000;
  if (seconds <= 0 || now.bytes < before.bytes || now.packets < before.packets) return null;
  const sent = now.packets - before.packets;
  const lost = Math.max(0, now.lost - before.lost);
  return {
    bps: ((now.bytes - before.bytes) * 8) / seconds,
    fps: Math.max(0, now.frames - before.frames) / seconds,
    loss: sent === 0 ? 0 : Math.min(1, lost / sent),
    rttMs: now.rttMs,
    width: now.width,
    height: now.height,
    limited: now.limited,
    codec: now.codec,
  };
}

export type Health = "good" | "fair" | "poor" | "stalled";

/** How viewers will find it: nothing leaves → stalled; heavy loss or a slide show → poor; some strain → fair. */
export function healthOf(reading: Reading, targetFps: number): Health {
  if (reading.bps < 8_000 || reading.fps === 0) return "stalled";
  if (reading.loss > 0.08 || reading.fps < targetFps * 0.4) return "poor";
  if (reading.loss > 0.02 || reading.fps < targetFps * 0.75 || (reading.rttMs ?? 0) > 400) return "fair";
  return "good";
}
