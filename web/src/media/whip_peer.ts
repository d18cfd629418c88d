// What a WHIP publisher does with the browser and the network: requests, waiting for ICE, reading counters.
// Decides nothing and keeps nothing.

import { ApiError, NETWORK, TIMEOUT, problemFrom, retryAfterSeconds } from "../api/errors.js";
import type { Encoding } from "./whip_layers.js";
import type { Sample } from "./whip_policy.js";
import { sampleOf, type Entry } from "./whip_stats.js";

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

/** The counters of the outgoing stream; null while there is no video. */
export async function sample(peer: RTCPeerConnection): Promise<Sample | null> {
  const entries: Entry[] = [];
  (await peer.getStats()).forEach((entry: Entry) => entries.push(entry));
  return sampleOf(entries);
}

/** Adds the picture in several sizes, or in one where the browser cannot. */
export function addVideo(peer: RTCPeerConnection, track: MediaStreamTrack | null, stream: MediaStream, encodings: Encoding[], fallback: Encoding[]): RTCRtpTransceiver {
  const add = (sendEncodings: Encoding[]): RTCRtpTransceiver => peer.addTransceiver(track ?? "video", { direction: "sendonly", streams: [stream], sendEncodings });
  try {
    return add(encodings);
  } catch {
    return add(fallback);
  }
}
