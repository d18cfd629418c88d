// The shop mini-app: product, checkout, result. Runs sandboxed in an opaque origin (no cookies, no storage):
// the signed click link is its only right, prices come from the server, and paying is the host's part.
import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { shop } from "../../api/client.js";
import { newIdempotencyKey } from "../../api/http.js";
import type { Money, Order, ShopProduct } from "../../api/types.js";
import { formatMoney } from "../../format/money.js";
import { errorText } from "../../i18n/errors.js";
import { locale, setLang } from "../../i18n/lang.js";
import { RESULT } from "../../miniapp/bridge.js";
import { connectHost, type My } from "../../miniapp/my.js";
import { define, empty, notice, PageElement, spinner } from "../../ui/index.js";
import { checkoutView } from "./checkout.js";
import { clampQuantity, intentFor, orderOf, outcomeOf, problemsOf, type BuyerForm, type Intent, type Problems } from "./intent.js";
import { t } from "./messages.js";
import { productView } from "./product.js";
import { resultView } from "./result.js";
import "./shop.css";

type Step = "product" | "checkout" | "result";

// A webhook may be a moment behind the provider's page: the order is asked again this often.
const SETTLE_ASKS = 12;
const SETTLE_EVERY_MS = 800;
// On the result page, while the end of a payment is not known.
const LOOK_EVERY_MS = 4000;

class ShopApp extends PageElement {
  @state() private step: Step = "product";
  @state() private product: ShopProduct | null = null;
  @state() private failure: unknown;
  @state() private quantity = 1;
  @state() private form: BuyerForm = { name: "", email: "", address: "" };
  @state() private problems: Problems = {};
  @state() private busy = false;
  @state() private order: Order | null = null;
  @state() private problem: unknown;
  @state() private nowMs = Date.now();

  private readonly app = /^\/m\/([^/]+)/.exec(location.pathname)?.[1] ?? "shop";
  private readonly link = location.pathname + location.search;
  private my: My | null = null;
  private intent: Intent | null = null;
  private lookedMs = 0;
  private clock: ReturnType<typeof setInterval> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    connectHost().then((my) => this.greet(my), () => undefined);
    void this.load();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.clock);
  }

  private async greet(my: My): Promise<void> {
    this.my = my;
    my.on("onShow", () => void this.refresh());
    const info = await my.getSystemInfo();
    document.documentElement.dataset["theme"] = info.theme;
    setLang(info.language, false);
    this.nameBar();
  }

  private async load(): Promise<void> {
    this.failure = undefined;
    try {
      this.product = await shop.product(this.app, this.link);
      this.nameBar();
    } catch (error) {
      this.failure = error;
    }
  }

  private nameBar(): void {
    // The host may refuse the title; the shop works without.
    if (this.my && this.product) this.my.setNavigationBar({ title: this.product.seller.name }).catch(() => undefined);
  }

  /** Shown again after a while: stock and the order may have moved. */
  private async refresh(): Promise<void> {
    if (this.busy) return;
    if (this.step === "result" && this.order) {
      this.order = await shop.order(this.app, this.link, this.order.id).catch(() => this.order);
    } else if (this.product) {
      this.product = await shop.product(this.app, this.link).catch(() => this.product);
    }
  }

  private go(step: Step): void {
    this.step = step;
    scrollTo(0, 0);
    void this.updateComplete.then(() => this.querySelector<HTMLElement>("h1")?.focus());
  }

  private async place(): Promise<void> {
    const product = this.product;
    if (!product || this.busy) return;
    this.problems = problemsOf(this.form);
    this.problem = undefined;
    if (Object.keys(this.problems).length > 0) {
      await this.updateComplete;
      this.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
      return;
    }
    const order = orderOf(product.product.sku, this.quantity, this.form);
    this.intent = intentFor(order, this.intent, newIdempotencyKey);
    this.busy = true;
    try {
      this.order = await shop.place(this.app, this.link, order, this.intent.key);
    } catch (error) {
      this.problem = error;
      this.busy = false;
      if ((error as { code?: string }).code === "out_of_stock") await this.refresh();
      return;
    }
    await this.pay();
  }

  private async pay(): Promise<void> {
    const order = this.order;
    if (!order) return;
    this.busy = true;
    this.problem = undefined;
    try {
      const result = this.my ? (await this.my.tradePay({ tradeNO: order.trade_no })).resultCode : RESULT.unknown;
      await this.settle(order.id, result === RESULT.paid || result === RESULT.processing);
    } catch (error) {
      this.problem = error;
    } finally {
      this.busy = false;
      this.go("result");
      this.clock ??= setInterval(() => this.tick(), 1000);
    }
  }

  private tick(): void {
    this.nowMs = Date.now();
    if (this.step !== "result" || this.busy || this.order === null || this.nowMs - this.lookedMs < LOOK_EVERY_MS) return;
    if (this.problem !== undefined || outcomeOf(this.order) === "processing") void this.look(this.order.id);
  }

  private async look(id: string): Promise<void> {
    this.lookedMs = this.nowMs;
    const order = await shop.order(this.app, this.link, id).catch(() => null);
    // Meanwhile the buyer may have begun another payment, or another order.
    if (order === null || this.busy || this.order?.id !== id) return;
    this.order = order;
    this.problem = undefined;
  }

  /** The host's result is a hint; the server is asked until the order says the same, or for ten seconds. */
  private async settle(id: string, expectPaid: boolean): Promise<void> {
    for (let ask = 0; ask < SETTLE_ASKS; ask++) {
      this.order = await shop.order(this.app, this.link, id);
      const outcome = outcomeOf(this.order);
      if (!expectPaid || outcome === "paid" || outcome === "refunded") return;
      await new Promise((resolve) => setTimeout(resolve, SETTLE_EVERY_MS));
    }
  }

  private again(): void {
    this.order = null;
    this.intent = null;
    this.problem = undefined;
    void this.load();
    this.go("product");
  }

  private money = (amount: Money): string => formatMoney(amount, locale());

  protected override render(): TemplateResult {
    if (this.failure !== undefined) {
      return html`<main class="shop">${empty({ icon: "alert", title: errorText(this.failure), ...(this.my ? { action: html`<button type="button" class="btn btn-primary" @click=${() => this.my?.close()}>${t("watch")}</button>` } : {}) })}</main>`;
    }
    const product = this.product;
    if (product === null) return html`<main class="shop shop-wait">${spinner()}<p class="muted">${t("loading")}</p></main>`;
    const problem = this.problem === undefined ? nothing : notice("bad", errorText(this.problem));
    switch (this.step) {
      case "product":
        return productView({
          product, quantity: clampQuantity(this.quantity, product.stock), money: this.money,
          setQuantity: (quantity) => (this.quantity = clampQuantity(quantity, product.stock)),
          buy: () => this.go("checkout"),
        });
      case "checkout":
        return checkoutView({
          product, quantity: clampQuantity(this.quantity, product.stock), money: this.money, form: this.form, problems: this.problems,
          busy: this.busy, canPay: this.my !== null, problem,
          change: (form) => {
            this.form = form;
            if (Object.keys(this.problems).length > 0) this.problems = problemsOf(form);
          },
          back: () => this.go("product"),
          place: () => void this.place(),
        });
      case "result":
        return this.order === null
          ? html`<main class="shop">${problem}</main>`
          : resultView({
              order: this.order, nowMs: this.nowMs, money: this.money, busy: this.busy, canPay: this.my !== null, problem,
              retry: () => void this.pay(), again: () => this.again(), close: () => void this.my?.close(),
            });
    }
  }
}

define("app-shop", ShopApp);
