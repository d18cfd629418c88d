// <shop-sheet>: opens a card's mini-app in a sandboxed frame, hands it its port and grants it the bridge's calls.
// The app is a stranger: it has no cookies, no access to this page, and never sets an amount.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, query, state } from "lit/decorators.js";
import type { OpenedClick } from "../../api/types.js";
import { newIdempotencyKey as newNonce } from "../../api/http.js";
import { lang } from "../../i18n/lang.js";
import { RESULT } from "../../miniapp/bridge.js";
import { BridgeHost } from "../../miniapp/host.js";
import { define, icon, PageElement, spinner, theme, toast } from "../../ui/index.js";
import { t } from "./messages.js";
import type { PaymentLayer } from "./payment.js";
import "./payment.js";

const LOAD_WITHIN_MS = 15_000;

export class ShopSheet extends PageElement {
  @property({ attribute: false }) opened: OpenedClick | null = null;
  @state() private heading = "";
  @state() private loaded = false;
  @state() private failed = false;
  @state() private paying = false;
  @query("iframe.mini-app") private frame!: HTMLIFrameElement | null;
  @query("payment-layer") private payment!: PaymentLayer | null;

  private host: BridgeHost | null = null;
  private secret = "";
  private handed = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener("visibilitychange", this.onVisibility);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener("visibilitychange", this.onVisibility);
    this.shut();
  }

  orderMoved(tradeNo: string): void {
    this.payment?.orderMoved(tradeNo);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("opened")) return;
    this.shut();
    this.handed = false;
    this.loaded = false;
    this.failed = false;
    if (this.opened) {
      this.heading = this.opened.app.short_name || this.opened.app.name;
      this.secret = newNonce();
      this.timer = setTimeout(() => (this.failed = !this.loaded), LOAD_WITHIN_MS);
    }
  }

  private readonly onVisibility = (): void => this.host?.emit(document.hidden ? "onHide" : "onShow");

  private shut(): void {
    clearTimeout(this.timer);
    this.host?.emit("onHide");
    this.host?.dispose();
    this.host = null;
  }

  private onLoad(): void {
    const target = this.frame?.contentWindow;
    const opened = this.opened;
    if (!target || !opened) return;
    if (this.handed) {
      // The frame went somewhere else: whatever runs there now was not opened by a card and gets no port.
      this.shut();
      this.failed = true;
      return;
    }
    this.handed = true;
    this.loaded = true;
    clearTimeout(this.timer);
    const { port1, port2 } = new MessageChannel();
    this.host = new BridgeHost(port1, {
      systemInfo: () => ({ language: lang(), theme: theme(), platform: "web", version: "1" }),
      tradePay: (tradeNo) => this.tradePay(tradeNo),
      setNavigationBar: (title) => (this.heading = title),
      close: () => this.requestClose(),
      showToast: (content) => toast(content),
    });
    // An opaque origin has no name to address; the nonce and the frame's own window are the address.
    target.postMessage({ type: "miniapp.port", nonce: this.secret }, "*", [port2]);
    const url = new URL(opened.url, location.href);
    this.host.emit("onLaunch", { path: url.pathname, query: Object.fromEntries(url.searchParams) });
    this.host.emit("onShow");
  }

  private async tradePay(tradeNo: string): ReturnType<PaymentLayer["pay"]> {
    return (await this.payment?.pay(tradeNo)) ?? RESULT.unknown;
  }

  private requestClose(): void {
    // Closing while a payment is open leaves the payment, not the shop: the buyer still sees the order.
    if (this.payment?.busy) void this.payment.leave();
    else this.dispatchEvent(new CustomEvent("ui-close"));
  }

  protected override render(): TemplateResult {
    const opened = this.opened;
    return html`<ui-sheet class="shop-sheet" flush nonmodal .open=${opened !== null} heading=${this.paying ? t("pay.title") : this.heading} @ui-close=${this.requestClose}>
      ${this.paying
        ? html`<button slot="lead" type="button" class="btn btn-ghost btn-icon pay-back" aria-label=${t("pay.back")} title=${t("pay.back")} @click=${this.requestClose}>${icon("back")}</button>`
        : nothing}
      ${opened === null ? nothing : html`<div class="app-stage">
        ${this.failed
          ? html`<div class="app-wait"><span class="empty-mark">${icon("alert")}</span><p>${t("app.failed")}</p>
              <button type="button" class="btn" @click=${this.requestClose}>${t("app.return")}</button></div>`
          : html`<iframe class="app-frame mini-app" title=${opened.app.name} sandbox="allow-scripts allow-forms" referrerpolicy="no-referrer"
              src="${opened.url}#n=${this.secret}" @load=${this.onLoad}></iframe>
            ${this.loaded ? nothing : html`<div class="app-wait is-over">${spinner()}<p class="muted">${t("app.loading")}</p></div>`}`}
        <payment-layer @pay-active=${(event: CustomEvent<boolean>) => (this.paying = event.detail)}></payment-layer>
      </div>`}
    </ui-sheet>`;
  }
}

define("shop-sheet", ShopSheet);
