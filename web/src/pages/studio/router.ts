// Paths below /studio as views, and moving between them without a page load.
// `viewOf` is pure; `Router` knows the browser's history and no view.

export type View =
  | { readonly name: "rooms" }
  | { readonly name: "room"; readonly room: string }
  | { readonly name: "pool" }
  | { readonly name: "orders" }
  | { readonly name: "order"; readonly order: string }
  | { readonly name: "unknown" };

/** The view a path names. Reports have a page of their own. */
export function viewOf(path: string): View {
  const parts = path.replace(/\/+$/, "").split("/").slice(1);
  const [root, area, raw, ...rest] = parts;
  if (root !== "studio" || rest.length > 0) return { name: "unknown" };
  const id = raw === undefined ? undefined : decode(raw);
  if (area === undefined || (area === "rooms" && id === undefined)) return { name: "rooms" };
  if (area === "rooms" && id) return { name: "room", room: id };
  if (area === "pool" && id === undefined) return { name: "pool" };
  if (area === "orders") return id ? { name: "order", order: id } : { name: "orders" };
  return { name: "unknown" };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

export const paths = {
  rooms: "/studio",
  room: (id: string): string => `/studio/rooms/${encodeURIComponent(id)}`,
  report: (id: string): string => `/studio/rooms/${encodeURIComponent(id)}/report`,
  pool: "/studio/pool",
  orders: "/studio/orders",
  order: (id: string): string => `/studio/orders/${encodeURIComponent(id)}`,
  watch: (id: string): string => `/r/${encodeURIComponent(id)}`,
};

/** Follows links to views in place; everything else stays an ordinary link. */
export class Router {
  private readonly onClick = (event: MouseEvent): void => this.follow(event);
  private readonly onPop = (): void => this.changed(true);

  /** `back` is true when the browser moved through its history, which restores the place on the page itself. */
  constructor(private readonly changed: (back: boolean) => void) {}

  start(): void {
    document.addEventListener("click", this.onClick);
    window.addEventListener("popstate", this.onPop);
  }

  stop(): void {
    document.removeEventListener("click", this.onClick);
    window.removeEventListener("popstate", this.onPop);
  }

  go(path: string): void {
    if (path === window.location.pathname + window.location.search) return;
    window.history.pushState(null, "", path);
    this.changed(false);
  }

  private follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.composedPath().find((node): node is HTMLAnchorElement => node instanceof HTMLAnchorElement);
    if (link === undefined || link.target !== "" || link.hasAttribute("download") || link.origin !== window.location.origin) return;
    if (viewOf(link.pathname).name === "unknown") return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}
