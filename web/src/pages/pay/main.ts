// The sandbox provider's hosted page: a card form, the bank's question, the outcome. Runs in an opaque origin and
// stands on the provider's side: it knows a reference, an amount and a merchant, never the order or the buyer.
import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { sandboxPay } from "../../api/client.js";
import type { SandboxPayment, TestCard } from "../../api/types.js";
import { formatMoney } from "../../format/money.js";
import { errorText } from "../../i18n/errors.js";
import { locale } from "../../i18n/lang.js";
import { define, empty, field, icon, notice, PageElement, spinner } from "../../ui/index.js";
import { grouped, groupedExpiry, isGoodCvc, isGoodExpiry, TEST_NUMBERS, verdictOf } from "./cards.js";
import { failureText, t } from "./messages.js";
import "./pay.css";

interface Form {
  readonly number: string;
  readonly expiry: string;
  readonly cvc: string;
  readonly name: string;
}
type Problems = { -readonly [K in keyof Form]?: string };

const ASK_EVERY_MS = 1200;

class PayPage extends PageElement {
  @state() private payment: SandboxPayment | null = null;
  @state() private failure: unknown;
  @state() private problem: unknown;
  @state() private form: Form = { number: "", expiry: "", cvc: "", name: "" };
  @state() private problems: Problems = {};
  @state() private busy = false;

  private readonly ref = decodeURIComponent(/^\/pay\/([^/]+)/.exec(location.pathname)?.[1] ?? "");
  private timer: ReturnType<typeof setTimeout> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  private async load(): Promise<void> {
    try {
      this.take(await sandboxPay.get(this.ref));
    } catch (error) {
      this.failure = error;
    }
  }

  /** A new state of the payment: shown, told to the page that opened this one, followed up while it moves. */
  private take(payment: SandboxPayment): void {
    this.payment = payment;
    const host: Window = (window.opener as Window | null) ?? window.parent;
    // Whoever opened this page: it has no name to address, and is told nothing but "ask the server".
    if (host !== window) host.postMessage({ type: "payment", state: payment.state }, "*");
    clearTimeout(this.timer);
    if (payment.state === "processing") this.timer = setTimeout(() => void this.load(), ASK_EVERY_MS);
  }

  private async act(action: () => Promise<SandboxPayment>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = undefined;
    try {
      this.take(await action());
    } catch (error) {
      this.problem = error;
      // It may have moved without us (another tab): what is shown must be true.
      await this.load();
    } finally {
      this.busy = false;
    }
  }

  private submit(event: Event): void {
    event.preventDefault();
    const verdict = verdictOf(this.form.number);
    const problems: Problems = {};
    if ("problem" in verdict) problems.number = t(`bad.${verdict.problem}`);
    if (!isGoodExpiry(this.form.expiry, new Date())) problems.expiry = t("bad.expiry");
    if (!isGoodCvc(this.form.cvc)) problems.cvc = t("bad.cvc");
    if (this.form.name.trim() === "") problems.name = t("bad.name");
    this.problems = problems;
    if ("problem" in verdict || Object.keys(problems).length > 0) {
      // A number that is not a test number is not kept on screen either.
      if ("problem" in verdict && verdict.problem === "not_test") this.form = { ...this.form, number: "", cvc: "" };
      void this.updateComplete.then(() => this.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus());
      return;
    }
    void this.act(() => sandboxPay.confirm(this.ref, verdict.card));
  }

  private fill(digits: string): void {
    const soon = String((new Date().getFullYear() + 3) % 100).padStart(2, "0");
    this.form = { number: grouped(digits), expiry: `12 / ${soon}`, cvc: "123", name: this.form.name || "Test Buyer" };
    this.problems = {};
    void this.updateComplete.then(() => this.querySelector<HTMLElement>("[data-pay]")?.focus());
  }

  protected override render(): TemplateResult {
    document.title = t("provider");
    return html`<main class="pay">
      <p class="pay-test" role="note"><strong>${t("test")}</strong> ${t("test.text")}</p>
      <header class="pay-head"><span class="pay-brand">${icon("shield")}${t("provider")}</span></header>
      ${this.failure !== undefined
        ? empty({ icon: "alert", title: (this.failure as { status?: number }).status === 404 ? t("not-found") : errorText(this.failure) })
        : this.payment === null
          ? html`<div class="pay-wait">${spinner()}<p class="muted">${t("loading")}</p></div>`
          : this.stage(this.payment)}
    </main>`;
  }

  private stage(payment: SandboxPayment): TemplateResult {
    const amount = formatMoney(payment.amount, locale());
    switch (payment.state) {
      case "succeeded":
        return this.end("check", "ok", t("succeeded.title"), t("succeeded.text"));
      case "canceled":
        return this.end("close", "off", t("canceled.title"), t("canceled.text"));
      case "processing":
        return html`<div class="pay-wait" role="status">${spinner()}<p>${t("processing")}</p></div>`;
      case "requires_action":
        return this.challenge(payment, amount);
      default:
        return this.card(payment, amount);
    }
  }

  private end(mark: "check" | "close", kind: string, title: string, text: string): TemplateResult {
    return html`<div class="pay-end" role="status" data-state=${kind}><span class="pay-mark pay-mark-${kind}">${icon(mark)}</span><h1>${title}</h1><p class="muted">${text}</p></div>`;
  }

  private challenge(payment: SandboxPayment, amount: string): TemplateResult {
    return html`<section class="card challenge" aria-labelledby="challenge">
      <p class="small strong muted">${icon("lock")}${t("challenge.bank")}</p>
      <h1 id="challenge">${t("challenge.title")}</h1>
      <p>${t("challenge.text", { amount, merchant: payment.merchant })}</p>
      ${this.problem === undefined ? nothing : notice("bad", errorText(this.problem))}
      <button type="button" class="btn btn-primary btn-lg btn-block ${this.busy ? "is-busy" : ""}" data-approve ?disabled=${this.busy} @click=${() => this.act(() => sandboxPay.challenge(this.ref, true))}><span>${t("challenge.yes")}</span></button>
      <button type="button" class="btn btn-ghost btn-block" data-refuse ?disabled=${this.busy} @click=${() => this.act(() => sandboxPay.challenge(this.ref, false))}>${t("challenge.no")}</button>
    </section>`;
  }

  private card(payment: SandboxPayment, amount: string): TemplateResult {
    const set = (name: keyof Form, shape: (text: string) => string = (text) => text) => (event: InputEvent) => {
      const input = event.target as HTMLInputElement;
      // Grouping must not fight the caret in the middle of the text, nor Backspace at a separator.
      const atEnd = input.selectionStart === input.value.length && event.inputType !== "deleteContentBackward";
      if (atEnd) input.value = shape(input.value);
      this.form = { ...this.form, [name]: input.value };
      if (this.problems[name] !== undefined) {
        const { [name]: _settled, ...others } = this.problems;
        this.problems = others;
      }
    };
    const { form, problems } = this;
    return html`<div class="pay-sum"><p class="small muted">${t("to", { merchant: payment.merchant })}</p><p class="pay-amount num" data-amount>${amount}</p><p class="small faint">${payment.description}</p></div>
      <form class="card pay-form" @submit=${this.submit} novalidate>
        ${payment.failure && this.problem === undefined ? notice("bad", failureText(payment.failure)) : nothing}
        ${this.problem === undefined ? nothing : notice("bad", errorText(this.problem))}
        ${field({ id: "card-number", label: t("number"), error: problems.number }, (f) => html`<input class="input num" id=${f.id} inputmode="numeric" autocomplete="off" placeholder="4242 4242 4242 4242"
          aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${form.number} @input=${set("number", grouped)} />`)}
        <div class="pay-two">
          ${field({ id: "card-expiry", label: t("expiry"), error: problems.expiry }, (f) => html`<input class="input num" id=${f.id} inputmode="numeric" autocomplete="off" placeholder=${t("expiry.example")}
            aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${form.expiry} @input=${set("expiry", groupedExpiry)} />`)}
          ${field({ id: "card-cvc", label: t("cvc"), error: problems.cvc }, (f) => html`<input class="input num" id=${f.id} inputmode="numeric" autocomplete="off" maxlength="4" placeholder="123"
            aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${form.cvc} @input=${set("cvc")} />`)}
        </div>
        ${field({ id: "card-name", label: t("name"), error: problems.name }, (f) => html`<input class="input" id=${f.id} autocomplete="off"
          aria-describedby=${f.describedBy} aria-invalid=${f.invalid} .value=${form.name} @input=${set("name")} />`)}
        <button class="btn btn-primary btn-lg btn-block ${this.busy ? "is-busy" : ""}" data-pay ?disabled=${this.busy}><span>${t("pay", { amount })}</span></button>
        <p class="pay-note small faint">${icon("lock")}<span>${t("secure")}</span></p>
        <button type="button" class="btn btn-ghost btn-block" data-cancel ?disabled=${this.busy} @click=${() => this.act(() => sandboxPay.cancel(this.ref))}>${t("cancel")}</button>
      </form>
      <details class="pay-tests"><summary>${t("tests")}</summary><ul class="test-list">
        ${TEST_NUMBERS.map((entry) => html`<li><button type="button" data-test=${entry.card} aria-label=${t("tests.use", { what: cardText(entry.card) })} @click=${() => this.fill(entry.digits)}>
          <span class="mono">${grouped(entry.digits)}</span><span class="muted">${cardText(entry.card)}</span></button></li>`)}</ul></details>`;
  }
}

const cardText = (card: TestCard): string => t(`card.${card}`);

define("app-pay", PayPage);
