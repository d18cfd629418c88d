import { describe, expect, it } from "vitest";

import { paths, viewOf } from "./router.js";

describe("viewOf", () => {
  it("knows every path it makes", () => {
    expect(viewOf(paths.rooms)).toEqual({ name: "rooms" });
    expect(viewOf("/studio/rooms")).toEqual({ name: "rooms" });
    expect(viewOf("/studio/")).toEqual({ name: "rooms" });
    expect(viewOf(paths.room("a b/c"))).toEqual({ name: "room", room: "a b/c" });
    expect(viewOf(paths.pool)).toEqual({ name: "pool" });
    expect(viewOf(paths.orders)).toEqual({ name: "orders" });
    expect(viewOf(paths.order("01J"))).toEqual({ name: "order", order: "01J" });
  });
  it("leaves the rest to the server", () => {
    for (const path of [paths.report("demo"), "/", "/r/demo", "/studio/nothing", "/studio/rooms/%zz", "/studio/pool/x"]) {
      expect(viewOf(path), path).toEqual({ name: "unknown" });
    }
  });
});
