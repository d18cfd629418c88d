import { describe, expect, it } from "vitest";
import type { Line } from "../../generated/wire.js";
import { acked, after, refused, sendable, unseen, type Draft } from "./outbox.js";

const line = (id: string): Line => ({ id, viewer: "v", name: "n", role: "viewer", text: id, at_ms: 1 });
const draft = (key: string): Draft => ({ key, text: key, replyTo: null, line: null, failed: null });

describe("drafts", () => {
  it("disappear when their line arrives, in whichever order ack and line come", () => {
    const ackFirst = acked([draft("a"), draft("b")], "a", "L1");
    expect(unseen(ackFirst, []).map((entry) => entry.key)).toEqual(["a", "b"]);
    expect(unseen(ackFirst, [line("L1")]).map((entry) => entry.key)).toEqual(["b"]);
    const lineFirst = [draft("a")];
    expect(unseen(lineFirst, [line("L1")])).toHaveLength(1);
    expect(unseen(acked(lineFirst, "a", "L1"), [line("L1")])).toHaveLength(0);
  });
  it("an ack without a line (posted before) ends the draft", () => expect(acked([draft("a")], "a", null)).toEqual([]));
  it("keep why they were refused", () => expect(refused([draft("a")], "a", "muted")[0]).toMatchObject({ failed: "muted", text: "a" }));
});

describe("what may be sent", () => {
  it("counts characters, not code units", () => {
    expect(sendable("😀".repeat(500))).toHaveLength(1000);
    expect(sendable("😀".repeat(501))).toBeNull();
    expect(sendable("  hi \n")).toBe("hi");
    expect(sendable(" \n\t ")).toBeNull();
  });
});

describe("lines after the last read one", () => {
  it("are all of them where that one is gone", () => {
    const chat = [line("1"), line("2"), line("3")];
    expect(after(chat, "2").map((entry) => entry.id)).toEqual(["3"]);
    expect(after(chat, "x")).toHaveLength(3);
    expect(after(chat, null)).toHaveLength(3);
    expect(after(chat, "3")).toEqual([]);
  });
});
