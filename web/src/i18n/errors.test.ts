import { describe, expect, it } from "vitest";
import { codeText } from "./errors.js";

describe("codes in words", () => {
  it.each(["sign_in_first", "no_seller", "wrong_role", "unknown_room"])("%s has words of its own", (code) =>
    expect(codeText(code)).not.toContain(code));
});
