import { describe, expect, it } from "vitest";
import type { AnyServerFrame, Card, Line, Position, WelcomeFrame } from "../generated/wire.js";
import { backoffMs, comeback, retryAfterMs } from "./policy.js";
import { CHAT_KEPT, EMPTY_VIEW, isKnown, reduce, shownCard, type RoomView } from "./view.js";

const line = (id: string): Line => ({ id, viewer: "v", name: "n", role: "viewer", text: id, at_ms: 1 });
const card = (id: string, ver = 1): Card => ({
  id, product: "p", sku: "s", title: id, image: null, price: { minor: 100, currency: "USD" }, was: null,
  stock: 1, state: "listed", showing: null, position: 0, ver,
});
const room = (state: "live" | "ended") => ({ id: "r", title: "R", state, show: "s", started_ms: 1 });
const welcome = (pos: Position, recovered: boolean, chat: Line[] = []): WelcomeFrame => ({
  t: "welcome", v: 1, room: room("live"), you: { viewer: "v", name: "n", role: "viewer", staff: false }, token: "tok",
  pos, recovered, now_ms: 1,
  state: recovered ? null : { chat, pinned_line: null, likes: 5, viewers: 2, cards: { ver: 3, pinned: "a", cards: [card("a"), card("b")] } },
});
const fold = (frames: AnyServerFrame[], from: RoomView = EMPTY_VIEW): RoomView => frames.reduce(reduce, from);

describe("close codes", () => {
  it.each([
    [1000, "resume"], [1001, "resume"], [1006, "resume"], [1012, "resume"], [4000, "resume"], [4099, "resume"],
    [4100, "fresh"], [4199, "fresh"], [4400, "stop"], [4403, "stop"], [4499, "stop"], [4500, "resume"],
  ] as const)("%i asks to %s", (code, expected) => expect(comeback(code)).toBe(expected));
});

describe("backoff", () => {
  it("doubles its cap from 0.5 s to 20 s and is uniform below it", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 60].map((attempt) => backoffMs(attempt, 0.9999999))).toEqual([499, 999, 1999, 3999, 7999, 15999, 19999, 19999]);
    expect(backoffMs(9, 0)).toBe(0);
    expect(backoffMs(3, 0.5)).toBe(2000);
  });
  it("never comes back before Retry-After", () => {
    expect(retryAfterMs(2, 0, 0)).toBe(2000);
    expect(retryAfterMs(2, 0, 0.999)).toBeLessThan(3000);
    expect(retryAfterMs(null, 2, 0.5)).toBe(1000);
  });
});

describe("room view", () => {
  it("takes the whole state on joining", () => {
    const view = fold([welcome(["e", 9], false, [line("1")])]);
    expect(view).toMatchObject({ pos: ["e", 9], likes: 5, viewers: 2, pinned: "a", token: "tok" });
    expect(shownCard(view)?.id).toBe("a");
    expect(view.chat.map((entry) => entry.id)).toEqual(["1"]);
  });

  it("neither loses nor repeats a line over a resumed connection, wherever it was cut", () => {
    const events: AnyServerFrame[] = Array.from({ length: 12 }, (_, n) => ({ t: "tick", pos: ["e", n + 1] as Position, chat: [line(String(n + 1))] }));
    for (let cut = 0; cut <= events.length; cut++) {
      for (let overlap = 0; overlap <= cut; overlap++) {
        let view = fold([welcome(["e", 0], false), ...events.slice(0, cut)]);
        // The server may send again what was on its way when the connection broke.
        view = fold([welcome(view.pos!, true), ...events.slice(cut - overlap)], view);
        expect(view.chat.map((entry) => entry.id)).toEqual(events.map((_, n) => String(n + 1)));
        expect(view.pos).toEqual(["e", 12]);
      }
    }
  });

  it("starts over when the history was lost", () => {
    const before = fold([welcome(["e", 0], false), { t: "tick", pos: ["e", 1], chat: [line("old")] }]);
    const after = fold([welcome(["f", 0], false, [line("kept")]), { t: "tick", pos: ["f", 1], chat: [line("new")] }], before);
    expect(after.chat.map((entry) => entry.id)).toEqual(["kept", "new"]);
    expect(isKnown(["f", 1], after.pos)).toBe(true);
    expect(isKnown(["e", 1], after.pos)).toBe(false);
  });

  it("keeps the newest cards whatever order they come in", () => {
    const view = fold([
      welcome(["e", 0], false),
      { t: "cards", pos: ["e", 1], ver: 6, pinned: "b", cards: [card("b")], sync: "now" },
      { t: "cards", pos: ["e", 2], ver: 5, pinned: "a", cards: [card("a")], sync: "now" },
    ]);
    expect(view).toMatchObject({ pinned: "b", cardsVer: 6, pos: ["e", 2] });
  });

  it("deletes lines, a pinned one included", () => {
    const view = fold([
      welcome(["e", 0], false, [line("1"), line("2")]),
      { t: "pinned_line", pos: ["e", 1], line: line("2") },
      { t: "tick", pos: ["e", 2], chat: [line("3")], deleted: ["2"] },
    ]);
    expect(view.chat.map((entry) => entry.id)).toEqual(["1", "3"]);
    expect(view.pinnedLine).toBeNull();
  });

  it("keeps a bounded chat", () => {
    const many = Array.from({ length: CHAT_KEPT + 50 }, (_, n) => line(`m${n}`));
    const view = fold([welcome(["e", 0], false), { t: "tick", pos: ["e", 1], chat: many }]);
    expect(view.chat).toHaveLength(CHAT_KEPT);
    expect(view.chat.at(-1)?.id).toBe(`m${CHAT_KEPT + 49}`);
  });

  it("shows no card that has left the bag", () => {
    const view = fold([welcome(["e", 0], false), { t: "cards", pos: ["e", 1], ver: 4, pinned: "gone", cards: [card("a")], sync: "now" }]);
    expect(shownCard(view)).toBeNull();
  });

  it("is the same object when nothing changed", () => {
    const view = fold([welcome(["e", 3], false)]);
    expect(reduce(view, { t: "tick", pos: ["e", 2], likes: 99 })).toBe(view);
    expect(reduce(view, { t: "pong", id: "p", now_ms: 1 })).toBe(view);
  });
});
