// The product card over the picture, the bag's rows, and the watcher that tells when a card was really seen.
// Knows no socket: it reports through callbacks.
import { html, nothing, type TemplateResult } from "lit";
import { formatMoney } from "../../format/money.js";
import type { Card } from "../../generated/wire.js";
import { locale } from "../../i18n/lang.js";
import { icon } from "../../ui/index.js";
import { t } from "./messages.js";

const FEW = 10;

export function priceText(card: Card): string {
  return formatMoney(card.price, locale());
}

function discount(card: Card): string | null {
  if (card.was === null || card.was.minor <= card.price.minor || card.was.currency !== card.price.currency) return null;
  const share = 1 - card.price.minor / card.was.minor;
  // Rounded down: a card must not promise a larger cut than the till gives.
  const percent = Math.floor(share * 100);
  return percent < 1 ? null : new Intl.NumberFormat(locale(), { style: "percent" }).format(percent / 100);
}

function picture(card: Card): TemplateResult {
  return card.image === null
    ? html`<span class="pc-noimage" aria-hidden="true">${icon("bag")}</span>`
    : html`<img src=${card.image} alt="" loading="eager" decoding="async" />`;
}

function prices(card: Card): TemplateResult {
  return html`<span class="pc-prices"><span class="pc-price num">${priceText(card)}</span>${card.was && card.was.minor > card.price.minor
    ? html`<s class="pc-was num"><span class="sr-only">${t("card.was", { price: "" })}</span>${formatMoney(card.was, locale())}</s>` : nothing}</span>`;
}

function stockNote(card: Card, plain: boolean): TemplateResult | typeof nothing {
  if (card.stock <= 0) return html`<span class="pc-stock is-out">${t("card.sold-out")}</span>`;
  if (card.stock <= FEW) return html`<span class="pc-stock is-few num">${t("card.left", { n: card.stock })}</span>`;
  return plain ? html`<span class="pc-stock num">${t("card.stock", { n: card.stock })}</span>` : nothing;
}

/** The pinned or explained card, bottom right over the picture. Busy, it is not disabled: that would lose the focus. */
export function productCard(card: Card, busy: boolean, open: (card: Card) => void): TemplateResult {
  const off = discount(card);
  return html`<button type="button" class="product-card" data-card=${card.id} aria-busy=${busy ? "true" : "false"} @click=${() => open(card)}>
    <span class="pc-image">${picture(card)}${off ? html`<span class="pc-off num">${t("card.off", { percent: off })}</span>` : nothing}</span>
    <span class="pc-body">
      <span class="pc-flag ${card.state === "explaining" ? "is-live" : ""}">${card.state === "explaining" ? t("card.explaining") : t("card.pinned")}</span>
      <span class="pc-title">${card.title}</span>
      ${prices(card)}
      ${stockNote(card, true)}
      <span class="pc-buy ${card.stock <= 0 ? "is-off" : ""} ${busy ? "is-busy" : ""}">${card.stock <= 0 ? t("card.view") : t("card.buy")}</span>
    </span>
  </button>`;
}

/** A row of the bag. */
export function bagRow(card: Card, number: number, busy: boolean, open: (card: Card) => void): TemplateResult {
  const off = discount(card);
  return html`<li class="bag-row"><button type="button" class="bag-button" data-card=${card.id} aria-busy=${busy ? "true" : "false"} @click=${() => open(card)}>
    <span class="bag-image">${picture(card)}<span class="bag-number num" aria-hidden="true">${number}</span></span>
    <span class="bag-text">
      ${card.state === "pinned" || card.state === "explaining"
        ? html`<span class="badge badge-accent">${card.state === "explaining" ? t("card.explaining") : t("card.pinned")}</span>` : nothing}
      <span class="clamp-2 strong">${card.title}</span>
      <span class="row">${prices(card)}${off ? html`<span class="badge badge-accent num">${t("card.off", { percent: off })}</span>` : nothing}</span>
      ${stockNote(card, true)}
    </span>
    <span class="bag-go">${icon("next")}</span></button></li>`;
}

const SEEN_SHARE = 0.5;
const SEEN_MS = 1000;

/** Reports a showing once its card was at least half visible for at least one second. */
export class ImpressionWatcher {
  private readonly reported = new Set<string>();
  private observer: IntersectionObserver | null = null;
  private element: Element | null = null;
  private current: { card: string; showing: string } | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private visible = false;

  constructor(
    private readonly report: (card: string, showing: string) => boolean,
    /** Whether something of this page lies over the card. */
    private readonly covered: () => boolean,
  ) {}

  /** Call after each render with the card's element, or null. */
  watch(element: Element | null, card: Card | null): void {
    const next = card && card.showing !== null ? { card: card.id, showing: card.showing } : null;
    if (element !== this.element) {
      this.observer?.disconnect();
      this.visible = false;
      this.element = element;
      if (element) {
        this.observer = new IntersectionObserver((entries) => {
          this.visible = (entries.at(-1)?.intersectionRatio ?? 0) >= SEEN_SHARE;
          this.arm();
        }, { threshold: [0, SEEN_SHARE] });
        this.observer.observe(element);
      }
    }
    const changed = next?.showing !== this.current?.showing;
    this.current = next;
    if (changed) clearTimeout(this.timer), (this.timer = undefined);
    this.arm();
  }

  stop(): void {
    this.observer?.disconnect();
    clearTimeout(this.timer);
  }

  private arm(): void {
    const target = this.current;
    if (!this.visible || target === null || this.reported.has(target.showing) || document.hidden || this.covered()) {
      clearTimeout(this.timer);
      this.timer = undefined;
      return;
    }
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      if (document.hidden || this.covered() || !this.visible || this.current?.showing !== target.showing) return;
      if (this.report(target.card, target.showing)) this.reported.add(target.showing);
      else this.arm();
    }, SEEN_MS);
  }
}
