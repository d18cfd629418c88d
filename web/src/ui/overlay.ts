// <ui-sheet> (bottom sheet on a phone, side panel on a wide screen) and <ui-dialog> (small, centred).
// Both sit on the native <dialog>: focus trap, Esc, inert page and focus return come with it.
// Usage: <ui-sheet .open=${this.bagOpen} heading=${t("bag")} @ui-close=${() => (this.bagOpen = false)}>…</ui-sheet>
import { css, html, type CSSResult, type CSSResultGroup, type PropertyValues, type TemplateResult } from "lit";
import { property } from "lit/decorators.js";
import { tc } from "../i18n/common.js";
import { define, LocalizedElement } from "./element.js";
import { icon } from "./icon.js";

class Overlay extends LocalizedElement {
  @property({ type: Boolean }) open = false;
  @property() heading = "";
  /** Without a modal the page behind stays usable: the video goes on and can be touched. */
  @property({ type: Boolean }) nonmodal = false;
  /** No padding: the content (a mini-app's frame) fills the body. */
  @property({ type: Boolean, reflect: true }) flush = false;

  static override styles: CSSResultGroup = css`
    :host { display: contents; }
    dialog {
      border: 0; padding: 0; margin: 0; max-width: none; max-height: none;
      background: var(--c-surface); color: var(--c-text); box-shadow: var(--e-3);
      display: none; flex-direction: column; overflow: hidden;
      opacity: 0;
      /* Inherited even into the top layer: a dialog inside a click-through layer could not be clicked. */
      pointer-events: auto;
      transition: opacity var(--m-med), transform var(--m-med) var(--ease), display var(--m-med) allow-discrete, overlay var(--m-med) allow-discrete;
    }
    dialog[open] { display: flex; opacity: 1; transform: none; }
    dialog::backdrop { background: var(--c-scrim); opacity: 0; transition: opacity var(--m-med), display var(--m-med) allow-discrete, overlay var(--m-med) allow-discrete; }
    dialog[open]::backdrop { opacity: 1; }
    @starting-style { dialog[open] { opacity: 0; } dialog[open]::backdrop { opacity: 0; } }
    header { display: flex; align-items: center; gap: 8px; min-height: 56px; padding: 6px 8px 6px 20px; border-bottom: 1px solid var(--c-line); flex: none; }
    h2 { flex: 1; min-width: 0; margin: 0; font-size: var(--t-lg); font-weight: 650; letter-spacing: -0.01em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; outline: none; }
    button { display: grid; place-items: center; width: 44px; height: 44px; border: 0; border-radius: 50%; background: transparent; color: var(--c-text-2); cursor: pointer; }
    button:hover { background: var(--c-surface-2); }
    button:focus-visible { outline: 2px solid var(--c-focus); outline-offset: -2px; }
    svg { width: 20px; height: 20px; }
    .body { flex: 1; min-height: 0; overflow-y: auto; overscroll-behavior: contain; padding: 20px; }
    :host([flush]) .body { padding: 0; overflow: hidden; display: flex; flex-direction: column; }
    footer { flex: none; }
  `;

  private get dialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector("dialog");
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has("open")) return;
    const dialog = this.dialog;
    if (!dialog || dialog.open === this.open) return;
    if (!this.open) dialog.close();
    else if (this.nonmodal) dialog.show();
    else dialog.showModal();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.dialog?.close();
  }

  private requestClose(): void {
    this.dispatchEvent(new CustomEvent("ui-close"));
  }

  private onCancel(event: Event): void {
    event.preventDefault();
    this.requestClose();
  }

  private onKeydown(event: KeyboardEvent): void {
    // A non-modal dialog gets no cancel event from Esc.
    if (this.nonmodal && event.key === "Escape") this.requestClose();
  }

  private onBackdrop(event: MouseEvent): void {
    if (event.target !== this.dialog || this.nonmodal) return;
    const box = this.dialog?.getBoundingClientRect();
    if (!box) return;
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) this.requestClose();
  }

  protected override render(): TemplateResult {
    return html`<dialog aria-labelledby="h" @cancel=${this.onCancel} @keydown=${this.onKeydown} @click=${this.onBackdrop}>
      <header>
        <slot name="lead"></slot>
        <h2 id="h" tabindex="-1" autofocus>${this.heading}</h2>
        <slot name="actions"></slot>
        <button type="button" aria-label=${tc("act.close")} @click=${this.requestClose}>${icon("close")}</button>
      </header>
      <div class="body" part="body"><slot></slot></div>
      <footer><slot name="footer"></slot></footer>
    </dialog>`;
  }
}

export class UiSheet extends Overlay {
  static override styles: CSSResultGroup = [
    Overlay.styles as CSSResult,
    css`
      dialog { position: fixed; z-index: 60; inset: auto 0 0 0; width: 100%; max-height: min(88dvh, 780px); border-radius: var(--r-4) var(--r-4) 0 0; padding-bottom: env(safe-area-inset-bottom); }
      dialog:not([open]) { transform: translateY(24px); }
      :host([flush]) dialog { height: var(--sheet-height, 78dvh); }
      @starting-style { dialog[open] { transform: translateY(24px); } }
      @media (min-width: 900px) {
        dialog, :host([flush]) dialog { inset: var(--sheet-inset, 12px) var(--sheet-inset, 12px) var(--sheet-inset, 12px) auto; width: min(var(--sheet-width, 440px), 94vw); height: auto; max-height: none; border-radius: var(--sheet-radius, var(--r-4)); padding-bottom: 0; }
        dialog:not([open]) { transform: translateX(24px); }
        @starting-style { dialog[open] { transform: translateX(24px); } }
      }
    `,
  ];
}

export class UiDialog extends Overlay {
  static override styles: CSSResultGroup = [
    Overlay.styles as CSSResult,
    css`
      dialog { position: fixed; z-index: 70; inset: 0; margin: auto; width: min(var(--dialog-width, 460px), calc(100vw - 32px)); height: fit-content; max-height: calc(100dvh - 48px); border-radius: var(--r-4); }
      dialog:not([open]) { transform: scale(0.97); }
      @starting-style { dialog[open] { transform: scale(0.97); } }
    `,
  ];
}

define("ui-sheet", UiSheet);
define("ui-dialog", UiDialog);

declare global {
  interface HTMLElementTagNameMap {
    "ui-sheet": UiSheet;
    "ui-dialog": UiDialog;
  }
}
