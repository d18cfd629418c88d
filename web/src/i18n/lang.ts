// The page's language: read from <html lang>, kept in the cookie the server reads, switched in place.
// Knows no texts and no elements.

export type Lang = "en" | "zh";

const listeners = new Set<() => void>();

function initial(): Lang {
  if (typeof document === "undefined") return "en";
  const declared = document.documentElement.lang.toLowerCase();
  // Served without the server's replacement (a dev server): the browser's own preference decides.
  const value = declared === "" || declared.startsWith("%") ? navigator.language.toLowerCase() : declared;
  return value.startsWith("zh") ? "zh" : "en";
}

let current: Lang = initial();

export const lang = (): Lang => current;

/** The BCP 47 tag that Intl formats with. */
export const locale = (): string => (current === "zh" ? "zh-CN" : "en");

/** Switches every text in place. `persist` is false inside a mini-app, whose opaque origin has no cookies. */
export function setLang(next: Lang, persist = true): void {
  if (persist) document.cookie = `lang=${next}; path=/; max-age=31536000; samesite=lax`;
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
  if (next === current) return;
  current = next;
  for (const listener of [...listeners]) listener();
}

/** Calls back after each switch; returns the function that stops it. */
export function onLang(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
