// The sign-in page: email and password, then on to where the person was going.

import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { auth } from "../../api/client.js";
import { ApiError } from "../../api/errors.js";
import type { Account, DemoHint } from "../../api/types.js";
import { words } from "../../api/words.js";
import { define, field, icon, mark, langSwitch, notice, PageElement, themeSwitch } from "../../ui/index.js";
import { tc } from "../../i18n/common.js";
import { localPath } from "./next.js";
import { t } from "./messages.js";
import "./signin.css";

class AppSignin extends PageElement {
  @state() private email = "";
  @state() private password = "";
  @state() private visible = false;
  @state() private busy = false;
  @state() private tried = false;
  @state() private problem: string | null = null;
  @state() private demo: DemoHint | null = null;
  @state() private account: Account | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    void auth.me().then(
      (me) => {
        this.demo = me.demo;
        this.account = me.account;
      },
      // Who is signed in is only a convenience here; the form works without it.
      () => undefined,
    );
  }

  private get next(): string {
    return localPath(new URLSearchParams(window.location.search).get("next"));
  }

  private fillDemo(demo: DemoHint): void {
    this.email = demo.email;
    this.password = demo.password;
    this.problem = null;
    void this.updateComplete.then(() => this.querySelector<HTMLButtonElement>("button[type=submit]")?.focus());
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    this.tried = true;
    this.problem = null;
    if (this.email.trim() === "" || this.password === "") {
      await this.updateComplete;
      this.querySelector<HTMLInputElement>('[aria-invalid="true"]')?.focus();
      return;
    }
    this.busy = true;
    try {
      await auth.signIn(this.email.trim(), this.password);
      window.location.assign(this.next);
    } catch (error) {
      this.busy = false;
      this.problem =
        error instanceof ApiError && error.status === 429 && error.retryAfter !== null
          ? t("wait", { seconds: String(error.retryAfter) })
          : words(error);
    }
  }

  protected override render(): TemplateResult {
    document.title = `${t("title")} · ${tc("brand")}`;
    return html`<div class="signin">
      <header class="signin-top row between">
        <a class="brand" href="/">${mark()}<span class="brand-name">${tc("brand")}</span></a>
        <div class="row">${langSwitch()}${themeSwitch(() => this.requestUpdate())}</div>
      </header>
      <main id="main" class="signin-main">
        <form class="card card-pad stack" novalidate @submit=${(event: Event) => void this.submit(event)}>
          <div>
            <h1>${t("title")}</h1>
            <p class="muted signin-lead">${t("lead")}</p>
          </div>
          ${this.account === null ? nothing : notice("info", html`${t("already", { name: this.account.name })} <a href=${this.next}>${t("continue")}</a>`)}
          ${this.problem === null ? nothing : notice("bad", this.problem)}
          ${field({ id: "email", label: t("email"), error: this.tried && this.email.trim() === "" ? t("need.email") : undefined }, (f) => html`<input
            class="input" type="email" name="email" autocomplete="username" required
            id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${this.email}
            @input=${(event: InputEvent) => (this.email = (event.target as HTMLInputElement).value)} />`)}
          ${field({ id: "password", label: t("password"), error: this.tried && this.password === "" ? t("need.password") : undefined }, (f) => html`<div class="signin-secret">
            <input class="input" type=${this.visible ? "text" : "password"} name="password" autocomplete="current-password" required
              id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${this.password}
              @input=${(event: InputEvent) => (this.password = (event.target as HTMLInputElement).value)} />
            <button type="button" class="btn btn-ghost btn-icon" aria-pressed=${this.visible ? "true" : "false"}
              aria-label=${this.visible ? t("hide") : t("show")} title=${this.visible ? t("hide") : t("show")}
              @click=${() => (this.visible = !this.visible)}>${icon(this.visible ? "lock" : "eye")}</button>
          </div>`)}
          <button type="submit" class="btn btn-primary btn-lg btn-block ${this.busy ? "is-busy" : ""}" ?disabled=${this.busy}><span>${t("submit")}</span></button>
        </form>
        ${this.demo === null ? nothing : this.demoHint(this.demo)}
      </main>
    </div>`;
  }

  private demoHint(demo: DemoHint): TemplateResult {
    return html`<aside class="signin-demo">
      <h2>${t("demo.title")}</h2>
      <p class="muted small">${t("demo.text")}</p>
      <p class="mono small">${demo.email} · ${demo.password}</p>
      <button type="button" class="btn btn-block" @click=${() => this.fillDemo(demo)}>${t("demo.fill")}</button>
    </aside>`;
  }
}

define("app-signin", AppSignin);
