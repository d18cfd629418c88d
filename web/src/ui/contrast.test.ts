import { describe, expect, it } from "vitest";
import tokens from "./tokens.css?raw";

/** The declarations of the block that begins with `selector`. */
function block(selector: string): Map<string, string> {
  const from = tokens.indexOf(`${selector} {`);
  expect(from, selector).toBeGreaterThanOrEqual(0);
  const body = tokens.slice(tokens.indexOf("{", from) + 1, tokens.indexOf("}", from));
  return new Map([...body.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map((found) => [found[1]!, found[2]!.trim()]));
}

/** Relative luminance and contrast ratio by WCAG 2.2. */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const share = parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}
function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high! + 0.05) / (low! + 0.05);
}

const light = block(":root");
const dark = block(':root[data-theme="dark"]');
const PAIRS: [text: string, ground: string][] = [
  ...["--c-text", "--c-text-2", "--c-text-3"].flatMap((text) => ["--c-bg", "--c-surface", "--c-surface-2"].map((ground): [string, string] => [text, ground])),
  ["--c-on-primary", "--c-primary"], ["--c-on-primary", "--c-primary-hover"],
  ["--c-on-accent", "--c-accent"], ["--c-on-accent", "--c-accent-hover"], ["--c-accent-text", "--c-accent-soft"], ["--c-accent-text", "--c-surface"],
  ...["ok", "warn", "bad", "info"].flatMap((kind): [string, string][] => [[`--c-${kind}`, `--c-${kind}-soft`], [`--c-${kind}`, "--c-surface"]]),
];

describe.each([["light", light], ["dark", new Map([...light, ...dark])]] as const)("%s theme", (_name, theme) => {
  it.each(PAIRS)("%s on %s can be read", (text, ground) => {
    expect(contrast(theme.get(text)!, theme.get(ground)!)).toBeGreaterThanOrEqual(4.5);
  });
});

it("says the same where the system or the reader chose dark", () => {
  expect(block(':root:not([data-theme="light"])')).toEqual(dark);
});
