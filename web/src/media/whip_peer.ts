// What a WHIP publisher does with the browser and the network: requests, waiting for ICE, reading counters.
// Decides nothing and keeps nothing.

import { ApiError, NETWORK, TIMEOUT, problemFrom, retryAfterSeconds } from "../api/errors.js";
import type { Sample } from "./whip_policy.js";

const HTTP_TIMEOUT_MS = 10_000;
const GATHER_LIMIT_MS = 600;
const CONNECT_LIMIT_MS = 12_000;

/** One WHIP request with a time limit; throws ApiError. */
export async function send(url: string, init: RequestInit, timeoutMs = HTTP_TIMEOUT_MS): Promise<Response> {
  const limit = AbortSignal.timeout(timeoutMs);
  let response: Response;
  try {
    response = await fetch(url, { ...init, signal: limit });
  } catch (error) {
    const code = limit.aborted ? TIMEOUT : NETWORK;
    throw new ApiError(0, code, error instanceof Error ? error.message : String(error));
  }
  if (response.ok) return response;
  throw problemFrom(response.status, await response.text(), retryAfterSeconds(response.headers.get("retry-after"), Date.now()));
}

/** Resolves when all candidates are known, or soon enough anyway: the rest is trickled. */
export function gathered(peer: RTCPeerConnection): Promise<void> {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_LIMIT_MS);
    peer.addEventListener("icegatheringstatechange", () => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Resolves once media can flow; throws ApiError when it cannot, or not in time. */
export function connected(peer: RTCPeerConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new ApiError(0, TIMEOUT, "the media connection did not come up")), CONNECT_LIMIT_MS);
    const check = (): void => {
      if (peer.connectionState === "connected") {
        clearTimeout(timer);
        resolve();
      } else if (peer.connectionState === "failed" || peer.connectionState === "closed") {
        clearTimeout(timer);
        reject(new ApiError(0, NETWORK, "the media connection failed"));
      }
    };
    peer.addEventListener("connectionstatechange", check);
    check();
  });
}

/** The counters of the outgoing video; null while there are none. */
export async function sample(peer: RTCPeerConnection): Promise<Sample | null> {
  const report = await peer.getStats();
  let result: Sample | null = null;
  let audioBytes = 0;
  let lost = 0;
  let rttMs: number | null = null;
  const codecs = new Map<string, string>();
  report.forEach((entry: Record<string, unknown>) => {
    const number = (key: string): number => (typeof entry[key] === "number" ? entry[key] : 0);
    if (entry["type"] === "codec") codecs.set(String(entry["id"]), String(entry["mimeType"]).replace(/^video\//, ""));
    if (entry["type"] === "remote-inbound-rtp" && entry["kind"] === "video") {
      lost = number("packetsLost");
      if (typeof entry["roundTripTime"] === "number") rttMs = entry["roundTripTime"] * 1000;
    }
    if (entry["type"] !== "outbound-rtp") return;
    if (entry["kind"] === "audio") audioBytes = number("bytesSent");
    if (entry["kind"] !== "video") return;
    result = {
      atMs: number("timestamp"),
      bytes: number("bytesSent"),
      frames: number("framesSent"),
      packets: number("packetsSent"),
      lost: 0,
      rttMs: null,
      width: number("frameWidth"),
      height: number("frameHeight"),
      limited: typeof entry["qualityLimitationReason"] === "string" ? entry["qualityLimitationReason"] : "none",
      codec: String(entry["codecId"] ?? ""),
    };
  });
  const found = result as Sample | null;
  if (found === null) return null;
  return { ...found, bytes: found.bytes + audioBytes, lost, rttMs, codec: codecs.get(found.codec) ?? "" };
}
