// <ui-nav current="home|studio" .links=${[…]}>: brand, page links, language and theme switches, account.
import { html, nothing, type TemplateResult } from "lit";
import { property } from "lit/decorators.js";
import { tc } from "../i18n/common.js";
import { lang, setLang } from "../i18n/lang.js";
import { define, PageElement } from "./element.js";
import { icon, mark } from "./icon.js";
import { setTheme, theme } from "./theme.js";

export interface NavLink {
  href: string;
  label: string;
  current: boolean;
}

export class UiNav extends PageElement {
  @property({ attribute: false }) links: readonly NavLink[] = [];
  /** What stands at the end: an account menu, a sign-in link. */
  @property({ attribute: false }) end: TemplateResult | typeof nothing = nothing;

  protected override render(): TemplateResult {
    return html`<a class="skip-link" href="#main">${tc("nav.skip")}</a>
      <header class="topbar"><div class="topbar-in">
        <a class="brand" href="/">${mark()}<span class="brand-name">${tc("brand")}</span></a>
        <nav class="topbar-links grow" aria-label=${tc("nav.main")}>
          ${this.links.map((link) => html`<a href=${link.href} aria-current=${link.current ? "page" : "false"}>${link.label}</a>`)}
        </nav>
        ${langSwitch()}${themeSwitch(() => this.requestUpdate())}${this.end}
      </div></header>`;
  }
}

export function langSwitch(): TemplateResult {
  return html`<button type="button" class="btn btn-ghost btn-icon" title=${tc("lang.switch")}
    lang=${lang() === "zh" ? "en" : "zh"} @click=${() => setLang(lang() === "zh" ? "en" : "zh")}><span aria-hidden="true">${tc("lang.short")}</span><span class="sr-only">${tc("lang.switch")}</span></button>`;
}

export function themeSwitch(redraw: () => void): TemplateResult {
  const dark = theme() === "dark";
  const label = dark ? tc("theme.light") : tc("theme.dark");
  const flip = (): void => {
    setTheme(dark ? "light" : "dark");
    redraw();
  };
  return html`<button type="button" class="btn btn-ghost btn-icon" aria-label=${label} title=${label} @click=${flip}>${icon(dark ? "sun" : "moon")}</button>`;
}

define("ui-nav", UiNav);

declare global {
  interface HTMLElementTagNameMap {
    "ui-nav": UiNav;
  }
}
