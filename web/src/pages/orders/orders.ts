// <studio-orders>: the seller's orders, newest first, by state and room.

import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { orders, rooms } from "../../api/client.js";
import type { BrandOrder, OrderState, Room } from "../../api/types.js";
import { words } from "../../api/words.js";
import { amount, dateTime } from "../../format/index.js";
import { tc } from "../../i18n/common.js";
import { define, empty, notice, PageElement } from "../../ui/index.js";
import { paths } from "../studio/router.js";
import { t } from "./messages.js";
import "./orders.css";
import { BADGES, STATES } from "./states.js";

export function orderBadge(order: { readonly state: OrderState }): TemplateResult {
  return html`<span class="badge ${BADGES[order.state]}">${t(`state.${order.state}`)}</span>`;
}

/** The last characters of an id: enough to tell orders apart by eye. */
export const shortId = (id: string): string => id.slice(-8).toUpperCase();

export class StudioOrders extends PageElement {
  @state() private orders: readonly BrandOrder[] | null = null;
  @state() private next: string | null = null;
  @state() private rooms: readonly Room[] = [];
  @state() private problem: string | null = null;
  @state() private byState = "";
  @state() private byRoom = "";
  private asked = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
    void rooms.mine().then(
      (got) => (this.rooms = got),
      // The room filter is a help; the list stands without it.
      () => undefined,
    );
  }

  private async load(after?: string): Promise<void> {
    this.asked += 1;
    const mine = this.asked;
    this.problem = null;
    try {
      const page = await orders.list({ state: this.byState, room: this.byRoom, after });
      if (mine !== this.asked) return;
      this.orders = after === undefined ? page.orders : [...(this.orders ?? []), ...page.orders];
      this.next = page.next;
    } catch (error) {
      if (mine === this.asked) this.problem = words(error);
    }
  }

  protected override render(): TemplateResult {
    const chosen = (event: Event): string => (event.target as HTMLSelectElement).value;
    return html`<div class="page stack">
      <header class="page-head"><div class="grow"><h1>${t("title")}</h1><p class="muted">${t("lead")}</p></div></header>
      <div class="row order-filters">
        <label class="field"><span class="field-label">${t("filter.state")}</span>
          <select class="input" @change=${(event: Event) => { this.byState = chosen(event); void this.load(); }}>
            <option value="">${t("filter.all")}</option>${STATES.map((name) => html`<option value=${name}>${t(`state.${name}`)}</option>`)}</select></label>
        <label class="field"><span class="field-label">${t("filter.room")}</span>
          <select class="input" @change=${(event: Event) => { this.byRoom = chosen(event); void this.load(); }}>
            <option value="">${t("filter.all")}</option>${this.rooms.map((room) => html`<option value=${room.id}>${room.title}</option>`)}</select></label>
      </div>
      ${this.problem === null ? nothing : notice("bad", html`${this.problem} <button type="button" class="link" @click=${() => void this.load()}>${tc("act.retry")}</button>`)}
      ${this.list()}
    </div>`;
  }

  private list(): TemplateResult | typeof nothing {
    const list = this.orders;
    if (list === null) return this.problem === null ? html`<div class="card pool-skeleton" aria-busy="true">${[0, 1, 2, 3].map(() => html`<div class="skeleton"></div>`)}</div>` : nothing;
    if (list.length === 0) {
      const filtered = this.byState !== "" || this.byRoom !== "";
      return html`<div class="card">${empty({ icon: "receipt", title: filtered ? t("none") : t("empty"), ...(filtered ? {} : { text: t("empty.text") }) })}</div>`;
    }
    return html`<div class="card table-wrap"><table class="table orders-table">
        <thead><tr><th scope="col">${t("col.order")}</th><th scope="col">${t("col.buyer")}</th><th scope="col">${t("col.items")}</th>
          <th scope="col" class="end">${t("col.total")}</th><th scope="col">${t("col.state")}</th><th scope="col" class="end">${t("col.placed")}</th></tr></thead>
        <tbody>${repeat(list, (order) => order.id, (order) => this.row(order))}</tbody>
      </table></div>
      ${this.next === null ? nothing : html`<button type="button" class="btn btn-block" @click=${() => void this.load(this.next ?? undefined)}>${t("more")}</button>`}`;
  }

  private row(order: BrandOrder): TemplateResult {
    const pieces = order.lines.reduce((sum, line) => sum + line.quantity, 0);
    const open = (event: MouseEvent): void => {
      // The link in the row does the work; the rest of the row only widens it.
      if (!(event.target as HTMLElement).closest("a")) (event.currentTarget as HTMLElement).querySelector("a")?.click();
    };
    return html`<tr class="is-link" @click=${open}>
      <td class="order-id"><a class="cell-link mono" href=${paths.order(order.id)}>${shortId(order.id)}</a></td>
      <td class="order-buyer">${order.buyer.name}</td>
      <td class="order-items"><span class="clamp-2">${order.lines.map((line) => line.title).join(", ")}</span><span class="xsmall faint">${t("items", { n: pieces })}</span></td>
      <td class="end order-total">${amount(order.total)}</td>
      <td class="order-state">${orderBadge(order)}</td>
      <td class="end faint order-placed">${dateTime(order.placed_ms)}</td>
    </tr>`;
  }
}

define("studio-orders", StudioOrders);

declare global {
  interface HTMLElementTagNameMap {
    "studio-orders": StudioOrders;
  }
}
