import { describe, expect, it } from "vitest";

import { backoffMs, healthOf, iceServersOf, isFinal, preferred, readingOf, sdpFragment } from "./whip_policy.js";
import type { Reading, Sample } from "./whip_policy.js";

describe("reconnecting", () => {
  it("spreads over a doubling, capped interval", () => {
    expect(backoffMs(0, 0, null)).toBe(0);
    expect(backoffMs(0, 0.999, null)).toBeLessThan(500);
    expect(backoffMs(3, 0.5, null)).toBe(2000);
    expect(backoffMs(60, 0.5, null)).toBe(5000);
  });
  it("never comes before the server wants it", () => {
    expect(backoffMs(0, 0, 4)).toBe(4000);
  });
  it("tells verdicts from accidents", () => {
    for (const status of [400, 401, 403, 404, 406, 413, 415]) {
      expect(isFinal(status, false), String(status)).toBe(true);
      expect(isFinal(status, true), String(status)).toBe(true);
    }
    for (const status of [0, 408, 429, 500, 502, 503]) expect(isFinal(status, false), String(status)).toBe(false);
    expect(isFinal(409, false)).toBe(true);
    expect(isFinal(409, true)).toBe(false);
  });
});

describe("preferred", () => {
  it("puts H.264 before VP8 before the rest, retransmission last, order kept within each", () => {
    const names = ["video/VP8", "video/rtx", "video/VP9", "video/H264", "video/AV1", "video/H264"];
    const sorted = preferred(names.map((mimeType, id) => ({ mimeType, id })));
    expect(sorted.map(({ id }) => id)).toEqual([3, 5, 0, 2, 4, 1]);
  });
});

describe("iceServersOf", () => {
  it("reads the Link headers of RFC 9725 and ignores others", () => {
    const link =
      '<stun:stun.example.net>; rel="ice-server", ' +
      '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="pass"; credential-type="password", ' +
      '<https://example.net/help>; rel="help"';
    expect(iceServersOf(link)).toEqual([
      { urls: "stun:stun.example.net" },
      { urls: "turn:turn.example.net?transport=udp", username: "user", credential: "pass" },
    ]);
    expect(iceServersOf(null)).toEqual([]);
  });
});

describe("sdpFragment", () => {
  const offer = [
    "v=0", "a=ice-ufrag:EsAw", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "",
  ].join("\r\n");

  it("names the session, each section and its candidates", () => {
    const text = sdpFragment(offer, [
      { candidate: "candidate:1 1 udp 1 192.0.2.1 61764 typ host", mid: "1" },
      { candidate: "candidate:2 1 udp 1 192.0.2.2 61765 typ host", mid: "0" },
    ], true);
    expect(text.split("\r\n")).toEqual([
      "a=ice-ufrag:EsAw", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1",
      "m=video 9 UDP/TLS/RTP/SAVPF 0", "a=mid:1", "a=candidate:1 1 udp 1 192.0.2.1 61764 typ host", "a=end-of-candidates",
      "m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", "a=candidate:2 1 udp 1 192.0.2.2 61765 typ host", "a=end-of-candidates", "",
    ]);
  });
});

describe("readings", () => {
  const sample = (over: Partial<Sample>): Sample => ({
    atMs: 0, bytes: 0, frames: 0, packets: 0, lost: 0, rttMs: null, width: 1280, height: 720, limited: "none", codec: "H264", ...over,
  });
  const reading = (over: Partial<Reading>): Reading => ({
    bps: 2_500_000, fps: 30, loss: 0, rttMs: 20, width: 1280, height: 720, limited: "none", codec: "H264", ...over,
  });

  it("are rates between two samples", () => {
    const got = readingOf(sample({ atMs: 1000, bytes: 1000, frames: 10, packets: 10 }), sample({ atMs: 3000, bytes: 501_000, frames: 70, packets: 110, lost: 5 }));
    expect(got).toMatchObject({ bps: 2_000_000, fps: 30, loss: 0.05 });
  });
  it("say nothing when counters began again or no time passed", () => {
    expect(readingOf(sample({ atMs: 1000, bytes: 9 }), sample({ atMs: 2000, bytes: 1 }))).toBeNull();
    expect(readingOf(sample({ atMs: 1000 }), sample({ atMs: 1000 }))).toBeNull();
  });
  it("become a verdict a host understands", () => {
    expect(healthOf(reading({}), 30)).toBe("good");
    expect(healthOf(reading({ fps: 20 }), 30)).toBe("fair");
    expect(healthOf(reading({ loss: 0.05 }), 30)).toBe("fair");
    expect(healthOf(reading({ rttMs: 500 }), 30)).toBe("fair");
    expect(healthOf(reading({ fps: 8 }), 30)).toBe("poor");
    expect(healthOf(reading({ loss: 0.2 }), 30)).toBe("poor");
    expect(healthOf(reading({ bps: 0 }), 30)).toBe("stalled");
    expect(healthOf(reading({ fps: 0 }), 30)).toBe("stalled");
  });
});
