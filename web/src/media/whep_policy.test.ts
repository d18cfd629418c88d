import { describe, expect, it } from "vitest";
import { delayOf, feed, FIRST_FRAME_WITHIN_MS, FROZEN_AFTER_MS, isFrozen, isWorthSaying, newWatchdog, refusalOf } from "./whep_policy.js";

const sample = (framesDecoded: number, videoPackets: number, audioPackets: number) => ({ framesDecoded, videoPackets, audioPackets });

describe("answers to the POST", () => {
  it.each([[409, "waiting"], [406, "no_codec"], [404, "final"], [401, "final"], [403, "final"], [400, "final"], [429, "again"], [503, "again"], [500, "again"]] as const)(
    "%i means %s", (status, expected) => expect(refusalOf(status)).toBe(expected));
});

describe("watchdog", () => {
  it("is patient with the first frame and strict with the next ones", () => {
    let dog = newWatchdog(0);
    expect(isFrozen(dog, FIRST_FRAME_WITHIN_MS)).toBe(false);
    expect(isFrozen(dog, FIRST_FRAME_WITHIN_MS + 1)).toBe(true);
    dog = feed(dog, sample(1, 10, 0), 5_000);
    expect(isFrozen(dog, 5_000 + FROZEN_AFTER_MS)).toBe(false);
    expect(isFrozen(dog, 5_001 + FROZEN_AFTER_MS)).toBe(true);
  });
  it("does not take packets without pictures for progress", () => {
    let dog = feed(newWatchdog(0), sample(5, 50, 50), 1_000);
    dog = feed(dog, sample(5, 900, 900), 9_000);
    expect(isFrozen(dog, 9_000)).toBe(true);
  });
  it("lets sound alone live by its packets", () => {
    let dog = feed(newWatchdog(0), sample(0, 0, 50), 1_000);
    dog = feed(dog, sample(0, 0, 90), 4_000);
    expect(isFrozen(dog, 6_000)).toBe(false);
  });
});

describe("delay", () => {
  it("believes a capture clock only within reason", () => {
    expect(delayOf({ captureToDisplayMs: 420, jitterBufferMs: 80, roundTripMs: 20 })).toEqual({ ms: 420, measured: true });
    expect(delayOf({ captureToDisplayMs: -900, jitterBufferMs: 80, roundTripMs: 20 })).toEqual({ ms: 90, measured: false });
    expect(delayOf({ captureToDisplayMs: 3_600_000, jitterBufferMs: 80, roundTripMs: null })).toEqual({ ms: 80, measured: false });
    expect(delayOf({ captureToDisplayMs: null, jitterBufferMs: null, roundTripMs: 20 })).toBeNull();
  });
  it("is not said where only a small lower bound is known", () => {
    expect(isWorthSaying({ ms: 300, measured: false })).toBe(false);
    expect(isWorthSaying({ ms: 1_200, measured: false })).toBe(true);
    expect(isWorthSaying({ ms: 300, measured: true })).toBe(true);
  });
});
