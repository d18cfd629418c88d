// toast("Saved"), toast("No network", "bad"): a short message at the foot of the page, read out politely.
import { html, render } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { icon } from "./icon.js";
import "./toast.css";

export type ToastKind = "info" | "ok" | "bad";
interface Toast {
  id: number;
  text: string;
  kind: ToastKind;
}

const SHOWN_MS = 4200;
// Policy: the oldest gives way; more than three at once nobody reads.
const MOST = 3;

let toasts: Toast[] = [];
let next = 1;
let host: HTMLElement | undefined;

function draw(): void {
  if (!host) {
    host = document.createElement("div");
    host.className = "toasts";
    host.setAttribute("role", "status");
    host.setAttribute("aria-live", "polite");
    document.body.append(host);
    // Manual popover: the top layer, so that a toast is also seen above an open modal dialog.
    host.popover = "manual";
  }
  if (toasts.length > 0) {
    host.hidePopover?.();
    host.showPopover?.();
  } else {
    host.hidePopover?.();
  }
  render(
    repeat(toasts, (toast) => toast.id, (toast) => html`<div class="toast toast-${toast.kind}">
      ${icon(toast.kind === "bad" ? "alert" : toast.kind === "ok" ? "check" : "info")}<span>${toast.text}</span></div>`),
    host,
  );
}

export function toast(text: string, kind: ToastKind = "info"): void {
  const id = next++;
  toasts = [...toasts.filter((other) => other.text !== text), { id, text, kind }].slice(-MOST);
  draw();
  setTimeout(() => {
    toasts = toasts.filter((other) => other.id !== id);
    draw();
  }, SHOWN_MS);
}
