import { describe, expect, it } from "vitest";

import { sampleOf, type Entry } from "./whip_stats.js";

const video = (over: Entry): Entry => ({
  type: "outbound-rtp", kind: "video", timestamp: 5000, codecId: "C1", active: true,
  bytesSent: 0, packetsSent: 0, framesSent: 0, ...over,
});
const audio: Entry = { type: "outbound-rtp", kind: "audio", timestamp: 5000, bytesSent: 70 };
const codecs: Entry[] = [{ type: "codec", id: "C1", mimeType: "video/H264" }, { type: "codec", id: "C2", mimeType: "audio/opus" }];

describe("sampleOf", () => {
  it("is nothing before there is video", () => {
    expect(sampleOf([])).toBeNull();
    expect(sampleOf([audio, ...codecs])).toBeNull();
  });
  it("reads a single encoding", () => {
    const one = video({ bytesSent: 1000, packetsSent: 9, framesSent: 8, frameWidth: 1280, frameHeight: 720, framesPerSecond: 30, qualityLimitationReason: "cpu" });
    const remote: Entry = { type: "remote-inbound-rtp", kind: "video", packetsLost: 2, roundTripTime: 0.02 };
    expect(sampleOf([...codecs, audio, one, remote])).toEqual({
      atMs: 5000, bytes: 1070, frames: 8, packets: 9, lost: 2, rttMs: 20, width: 1280, height: 720, limited: "cpu", codec: "H264",
    });
  });
  it("adds encodings up and shows the largest that is sent", () => {
    const layers = [
      video({ rid: "h", bytesSent: 900, packetsSent: 90, framesSent: 20, frameWidth: 1280, frameHeight: 720, framesPerSecond: 0, qualityLimitationReason: "bandwidth" }),
      video({ rid: "m", bytesSent: 90, packetsSent: 9, framesSent: 25, frameWidth: 640, frameHeight: 360, framesPerSecond: 30 }),
      video({ rid: "l", bytesSent: 9, packetsSent: 1, framesSent: 25, frameWidth: 320, frameHeight: 180, framesPerSecond: 30 }),
    ];
    expect(sampleOf(layers)).toMatchObject({ bytes: 999, packets: 100, frames: 25, width: 640, height: 360, limited: "none", rttMs: null, lost: 0 });
  });
  it("is not misled by encodings that the server did not take", () => {
    const layers = [
      video({ rid: "l", bytesSent: 9, framesSent: 3, frameWidth: 1280, frameHeight: 720, framesPerSecond: 30 }),
      video({ rid: "h", active: false }),
    ];
    expect(sampleOf(layers)).toMatchObject({ bytes: 9, frames: 3, width: 1280 });
  });
});
