// Where sign-in leads: a path of this site, never another address. Pure.

const HOME = "/studio";

/** `asked` when it is a path of our own; anything that a browser could read as another site becomes the studio. */
export function localPath(asked: string | null): string {
  if (asked === null || !asked.startsWith("/")) return HOME;
  let url: URL;
  try {
    url = new URL(asked, "http://own.invalid");
  } catch {
    return HOME;
  }
  // Backslashes and double slashes change the host while parsing: the parser's word counts, not the text's look.
  return url.host === "own.invalid" ? url.pathname + url.search + url.hash : HOME;
}
