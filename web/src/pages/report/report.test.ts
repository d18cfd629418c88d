import { describe, expect, it } from "vitest";

import { RATIOS } from "../../api/report.js";
import { definition, name } from "./metrics.js";
import { binsOf, greatest, linePath, logEnds, logPlace, logTicks, spanOf, summed, ticks, wholeTicks } from "./scale.js";
import { KEYS, measureText, messageText, sentence, whyText } from "./verdict_words.js";

const MINUTE = 60_000;

describe("ticks", () => {
  it("are round and reach the greatest value", () => {
    expect(ticks(130, 4)).toEqual([0, 50, 100, 150]);
    expect(ticks(1, 4)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(ticks(0, 4)).toEqual([0, 1]);
    for (const most of [0.3, 7, 99, 101, 12_345, 9_999_999]) {
      const got = ticks(most, 4);
      expect(got.at(-1), String(most)).toBeGreaterThanOrEqual(most);
      expect(got.length).toBeLessThanOrEqual(6);
    }
  });
  it("never fall between two whole things", () => {
    expect(wholeTicks(1, 4)).toEqual([0, 1]);
    expect(wholeTicks(3, 4)).toEqual([0, 1, 2, 3]);
  });
});

describe("logarithmic axis", () => {
  it("holds every value, and 1, between round ends", () => {
    expect(logEnds([0.8, 2.5])).toEqual([0.5, 5]);
    expect(logEnds([0.03, 40])).toEqual([0.02, 50]);
    expect(logEnds([])).toEqual([0.5, 5]);
    expect(logTicks(0.5, 20)).toEqual([0.5, 1, 2, 5, 10, 20]);
    expect(logTicks(0.01, 1000)).toEqual([0.01, 0.1, 1, 10, 100, 1000]);
  });
  it("puts equal factors at equal distances and keeps strangers at its ends", () => {
    expect(logPlace(1, 0.1, 10, 200)).toBeCloseTo(100);
    expect(logPlace(0.001, 0.1, 10, 200)).toBe(0);
    expect(logPlace(1e9, 0.1, 10, 200)).toBe(200);
    expect(logPlace(0, 0.1, 10, 200)).toBe(0);
  });
});

describe("curves", () => {
  it("show the live time and what followed soon", () => {
    const live = [[10 * MINUTE + 5, 20 * MINUTE]] as const;
    expect(spanOf(live, [12 * MINUTE, 22 * MINUTE, 500 * MINUTE], 10 * MINUTE)).toEqual({ startMs: 10 * MINUTE, endMs: 23 * MINUTE });
    expect(spanOf(live, [], 10 * MINUTE)).toEqual({ startMs: 10 * MINUTE, endMs: 20 * MINUTE });
    expect(spanOf([], [3 * MINUTE, 7 * MINUTE], 0)).toEqual({ startMs: 3 * MINUTE, endMs: 8 * MINUTE });
    expect(spanOf([], [], 0)).toBeNull();
  });
  it("lose nothing by binning: inside and outside add up to the whole", () => {
    const minutes = Array.from({ length: 300 }, (_, index) => index * MINUTE);
    const values = minutes.map((_, index) => index);
    const bins = binsOf({ startMs: 20 * MINUTE, endMs: 260 * MINUTE }, 100);
    expect(bins.stepMs).toBe(5 * MINUTE);
    const got = summed(minutes, values, bins);
    expect(got.values.reduce((a, b) => a + b, 0) + got.outside).toBe(values.reduce((a, b) => a + b, 0));
    expect(got.values[0]).toBe(20 + 21 + 22 + 23 + 24);
  });
  it("tell nobody watching from nothing measured", () => {
    const bins = binsOf({ startMs: 0, endMs: 4 * MINUTE }, 10);
    expect(greatest([0, MINUTE, 3 * MINUTE, 9 * MINUTE], [5, 0, 7, 99], bins)).toEqual([5, 0, null, 7]);
  });
  it("become a path with gaps", () => {
    expect(linePath([1, 2, null, 3], (index) => index * 10, (value) => value)).toBe("M0.0 1.0L10.0 2.0M30.0 3.0");
  });
});

describe("words", () => {
  it("name and define every ratio", () => {
    for (const ratio of RATIOS) {
      expect(name(ratio), ratio).not.toBe("");
      expect(definition(ratio), ratio).not.toBe("");
    }
  });
  it("fill every message of the report and leave nothing undefined", () => {
    const params = {
      rooms: 6, baseline: "cn_gmv_per_view", confidence: "C", measure: "gmv_per_view", target_low: 2, target_high: 3, r: 2.512,
      low: 2.1, high: 2.9, buyers: 12, needed: 30, why: "no_viewers", metric: "aov", denominator: "view", room: "viewer", note: "n",
    };
    for (const key of KEYS) expect(messageText({ key, params }), key).not.toMatch(/undefined|NaN|\[object/);
    expect(sentence([{ key: "against.own_median", params }, { key: "verdict.in_band", params }])).toBe(
      "Against the median of your own last 6 rooms; in band at the centre: 2.51× (95 % interval 2.1–2.9) lies within 2–3×.",
    );
  });
  it("make separate sentences of separate things", () => {
    const params = { r: 1, low: 1, high: 1, target_low: 2, target_high: 3, rooms: 0, needed: 5 };
    expect(sentence([{ key: "spread.unknown", params }, { key: "history.too_few_rooms", params }])).toBe(
      "The baseline states no range, so its own spread is unknown. No own median yet: 0 earlier rooms in this currency, 5 needed.",
    );
  });
  it("stay readable for what this page does not know", () => {
    expect(messageText({ key: "new.key", params: {} })).toBe("new.key");
    expect(whyText("new_reason")).toBe("new_reason");
    expect(measureText("volume")).toBe("volume");
    expect(sentence([])).toBe("");
  });
});
