import { describe, expect, it } from "vitest";

import { localPath } from "./next.js";

describe("localPath", () => {
  it("keeps paths of this site", () => {
    expect(localPath("/studio/rooms/demo?tab=1#x")).toBe("/studio/rooms/demo?tab=1#x");
    expect(localPath("/")).toBe("/");
  });
  it("never leaves it", () => {
    for (const bad of [null, "", "studio", "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil.example"]) {
      expect(localPath(bad), String(bad)).toBe("/studio");
    }
  });
});
