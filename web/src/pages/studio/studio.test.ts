import { describe, expect, it } from "vitest";

import type { Bag, Card } from "../../api/types.js";
import { problemOf } from "./capture.js";
import { decayed, levelOf } from "./level.js";
import { moved, newer, placeAt, shown } from "./run_sheet.js";

const card = (id: string, over: Partial<Card> = {}): Card => ({
  id, product: "p", sku: "s", title: id, image: null, price: { minor: 100, currency: "USD" }, was: null, stock: 1,
  state: "listed", showing: null, position: 0, ver: 1, ...over,
});

describe("run-sheet", () => {
  it("moves one card and keeps the order of the others", () => {
    expect(moved(["a", "b", "c", "d"], 0, 2)).toEqual(["b", "c", "a", "d"]);
    expect(moved(["a", "b", "c", "d"], 3, 0)).toEqual(["d", "a", "b", "c"]);
    for (const [from, to] of [[-1, 0], [0, 4], [2, 2], [9, 9]] as const) {
      expect(moved(["a", "b", "c", "d"], from, to)).toEqual(["a", "b", "c", "d"]);
    }
  });
  it("keeps the newest bag whatever order they arrive in, sorted by position", () => {
    const old: Bag = { ver: 3, cards: [card("a")] };
    const next: Bag = { ver: 4, cards: [card("b", { position: 2 }), card("a", { position: 1 })] };
    expect(newer(old, next).cards.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(newer(next, old)).toBe(next);
    expect(newer(null, old).ver).toBe(3);
  });
  it("knows the card on screen", () => {
    expect(shown([card("a"), card("b", { state: "explaining" })])?.id).toBe("b");
    expect(shown([card("a"), card("b", { state: "hidden" })])).toBeNull();
  });
  it("finds the place under the pointer", () => {
    const middles = [10, 30, 50, 70];
    expect(placeAt(5, middles, 2)).toBe(0);
    expect(placeAt(35, middles, 0)).toBe(1);
    expect(placeAt(999, middles, 0)).toBe(3);
    expect(placeAt(52, middles, 2)).toBe(2);
  });
});

describe("level meter", () => {
  it("reads silence as nothing and full scale as one", () => {
    expect(levelOf(new Float32Array(256))).toBe(0);
    expect(levelOf(new Float32Array(256).fill(1))).toBe(1);
    expect(levelOf(new Float32Array(0))).toBe(0);
    expect(levelOf(new Float32Array(256).fill(0.0316))).toBeCloseTo(0.5, 2);
  });
  it("rises at once and falls slowly", () => {
    expect(decayed(0.2, 0.9, 16)).toBe(0.9);
    expect(decayed(0.9, 0, 120)).toBeCloseTo(0.8);
  });
});

describe("device refusals", () => {
  it("become something a person can act on", () => {
    expect(problemOf("NotAllowedError")).toBe("denied");
    expect(problemOf("NotFoundError")).toBe("missing");
    expect(problemOf("NotReadableError")).toBe("busy");
    expect(problemOf("OverconstrainedError")).toBe("unsuitable");
    expect(problemOf("whatever")).toBe("failed");
  });
});
