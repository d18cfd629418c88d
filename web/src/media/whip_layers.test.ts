import { describe, expect, it } from "vitest";

import { layered, single, takesLayers, widened } from "./whip_layers.js";

describe("layered", () => {
  it("lists three sizes from low to high, the last one the whole picture", () => {
    expect(layered(2_500_000, 30).map(({ rid, scaleResolutionDownBy, maxBitrate }) => [rid, scaleResolutionDownBy, maxBitrate])).toEqual([
      ["l", 4, 150_000], ["m", 2, 500_000], ["h", 1, 2_500_000],
    ]);
  });
  it("is one encoding where the limit leaves no room", () => {
    expect(layered(900_000, 30)).toEqual(single(900_000, 30));
    expect(single(900_000, 25)).toEqual([{ maxBitrate: 900_000, maxFramerate: 25 }]);
  });
});

describe("takesLayers", () => {
  const answer = (line: string): string => ["v=0", "m=video 9 UDP/TLS/RTP/SAVPF 96", line, "a=recvonly", ""].join("\r\n");

  it("is told by the answer's simulcast line", () => {
    expect(takesLayers(answer("a=simulcast:recv l;m;h"))).toBe(true);
    expect(takesLayers(answer("a=simulcast:send x recv l;m"))).toBe(true);
    expect(takesLayers(answer("a=simulcast:recv l"))).toBe(false);
    expect(takesLayers(answer("a=simulcast:send l;m;h"))).toBe(false);
    expect(takesLayers(answer("a=rid:l recv"))).toBe(false);
    expect(takesLayers("")).toBe(false);
  });
});

describe("widened", () => {
  it("makes the first encoding the whole picture and keeps what the browser added", () => {
    const kept = { ...layered(2_500_000, 30)[0], priority: "low" };
    expect(widened([kept], 2_500_000, 30)).toEqual([
      { rid: "l", active: true, scaleResolutionDownBy: 1, maxBitrate: 2_500_000, maxFramerate: 30, priority: "low" },
    ]);
  });
  it("switches off what a browser did not drop", () => {
    expect(widened(layered(2_500_000, 30), 2_500_000, 30).map(({ active }) => active)).toEqual([true, false, false]);
  });
});
