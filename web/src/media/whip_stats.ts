// The counters of an outgoing stream from one getStats report: all encodings together, the best one's size.
// Pure: knows no RTCPeerConnection.

import type { Sample } from "./whip_policy.js";

export type Entry = Readonly<Record<string, unknown>>;

const number = (entry: Entry, key: string): number => (typeof entry[key] === "number" ? entry[key] : 0);
const text = (entry: Entry, key: string): string => (typeof entry[key] === "string" ? entry[key] : "");

/** The sample of these entries; null while there is no video among them. */
export function sampleOf(entries: readonly Entry[]): Sample | null {
  const outgoing = entries.filter((entry) => entry["type"] === "outbound-rtp");
  const video = outgoing.filter((entry) => entry["kind"] === "video");
  const remote = entries.filter((entry) => entry["type"] === "remote-inbound-rtp" && entry["kind"] === "video");
  const sum = (list: readonly Entry[], key: string): number => list.reduce((total, entry) => total + number(entry, key), 0);
  // What viewers get at best: the largest encoding that is being sent, else the largest there is.
  const best = [...video].sort((a, b) => standing(b) - standing(a) || number(b, "frameWidth") - number(a, "frameWidth"))[0];
  if (best === undefined) return null;
  const rtts = remote.flatMap((entry) => (typeof entry["roundTripTime"] === "number" ? [entry["roundTripTime"] * 1000] : []));
  const codec = entries.find((entry) => entry["type"] === "codec" && entry["id"] === best["codecId"]);
  return {
    atMs: number(best, "timestamp"),
    bytes: sum(outgoing, "bytesSent"),
    // A browser short of bandwidth drops the large encodings first: the picture moves while any of them does.
    frames: Math.max(...video.map((entry) => number(entry, "framesSent"))),
    packets: sum(video, "packetsSent"),
    lost: sum(remote, "packetsLost"),
    rttMs: rtts.length === 0 ? null : Math.min(...rtts),
    width: number(best, "frameWidth"),
    height: number(best, "frameHeight"),
    limited: text(best, "qualityLimitationReason") || "none",
    codec: codec === undefined ? "" : text(codec, "mimeType").replace(/^video\//, ""),
  };
}

function standing(entry: Entry): number {
  if (entry["active"] === false) return 0;
  return number(entry, "framesPerSecond") > 0 ? 2 : 1;
}
