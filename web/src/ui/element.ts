// Base of every element here: renders again when the language changes.
// Pages render into the light DOM, so that one stylesheet, ids and labels work across a page;
// components with slots (sheet, dialog) keep a shadow root by extending LocalizedElement.
import { LitElement } from "lit";
import { onLang } from "../i18n/lang.js";

export class LocalizedElement extends LitElement {
  private stopLang: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.stopLang = onLang(() => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.stopLang?.();
  }
}

export class PageElement extends LocalizedElement {
  protected override createRenderRoot(): HTMLElement {
    return this;
  }
}

/** Registers once: a page built from two entries must not fail on the second. */
export function define(name: string, element: CustomElementConstructor): void {
  if (!customElements.get(name)) customElements.define(name, element);
}
