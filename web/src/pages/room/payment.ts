// <payment-layer>: shows the provider's hosted page over the mini-app and finds out from the server how it ended.
// Never sees a card or an amount; knows the trade number only.
import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { payments } from "../../api/client.js";
import type { Presentation } from "../../api/types.js";
import { RESULT, type ResultCode } from "../../miniapp/bridge.js";
import { askAgainMs, onClose, whileOpen } from "../../miniapp/payment_policy.js";
import { define, PageElement, spinner } from "../../ui/index.js";
import { t } from "./messages.js";

interface Open {
  readonly tradeNo: string;
  readonly resolve: (code: ResultCode) => void;
  asks: number;
}

export class PaymentLayer extends PageElement {
  @state() private shown: Presentation | null = null;
  @state() private active = false;
  private open: Open | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;

  get busy(): boolean {
    return this.open !== null;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("message", this.onMessage);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("message", this.onMessage);
    this.finish(RESULT.unknown);
  }

  /** Opens the provider's page for a payment and resolves when the server knows how it ended, or the buyer leaves. */
  async pay(tradeNo: string): Promise<ResultCode> {
    const result = new Promise<ResultCode>((resolve) => (this.open = { tradeNo, resolve, asks: 0 }));
    this.activate(true);
    try {
      const shown = await payments.present(tradeNo);
      if (this.open?.tradeNo === tradeNo) {
        this.shown = shown;
        this.askLater();
        void this.updateComplete.then(() => this.querySelector("iframe")?.focus());
      }
    } catch {
      // Refused or unreachable; where it is paid already, the server says so.
      await this.ask();
      this.finish(RESULT.network);
    }
    return result;
  }

  /** The realtime connection says that this payment's order moved. */
  orderMoved(tradeNo: string): void {
    if (this.open?.tradeNo === tradeNo) void this.ask();
  }

  /** The buyer leaves the payment page. */
  async leave(): Promise<void> {
    const open = this.open;
    if (!open) return;
    const asked = await payments.status(open.tradeNo).catch(() => null);
    if (this.open === open) this.finish(onClose(asked));
  }

  private readonly onMessage = (event: MessageEvent): void => {
    const frame = this.querySelector("iframe");
    const data = event.data as { type?: unknown } | null;
    // The page has an opaque origin, so the window is what identifies it; its word is only a reason to ask.
    if (frame && event.source === frame.contentWindow && data?.type === "payment") void this.ask();
  };

  private askLater(): void {
    clearTimeout(this.timer);
    if (!this.open) return;
    this.timer = setTimeout(() => void this.ask(), askAgainMs(this.open.asks++));
  }

  private async ask(): Promise<void> {
    const open = this.open;
    if (!open) return;
    const asked = await payments.status(open.tradeNo).catch(() => null);
    if (this.open !== open) return;
    const result = asked === null ? null : whileOpen(asked);
    if (result === null) this.askLater();
    else this.finish(result);
  }

  private finish(code: ResultCode): void {
    clearTimeout(this.timer);
    const open = this.open;
    this.open = null;
    this.shown = null;
    this.activate(false);
    open?.resolve(code);
  }

  private activate(active: boolean): void {
    if (this.active === active) return;
    this.active = active;
    this.dispatchEvent(new CustomEvent<boolean>("pay-active", { detail: active }));
  }

  protected override render(): TemplateResult | typeof nothing {
    if (!this.active) return nothing;
    return html`<section class="pay-layer" aria-label=${t("pay.title")}>
      ${this.shown === null
        ? html`<div class="app-wait">${spinner()}</div>`
        : this.shown.presentation === "embed"
          ? html`<iframe class="app-frame" title=${t("pay.title")} sandbox="allow-scripts allow-forms" src=${this.shown.url} referrerpolicy="no-referrer"></iframe>`
          : html`<div class="app-wait"><p>${t("pay.redirect")}</p>
              <a class="btn btn-primary" href=${this.shown.url} target="_blank" rel="noopener noreferrer">${t("pay.open")}</a><p class="muted small">${t("pay.confirming")}</p></div>`}
    </section>`;
  }
}

define("payment-layer", PaymentLayer);
