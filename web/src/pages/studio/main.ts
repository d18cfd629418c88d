// <app-studio>: who is signed in, which view the path names, and the frame around it.

import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";
import { auth } from "../../api/client.js";
import type { Account } from "../../api/types.js";
import { words } from "../../api/words.js";
import { tc } from "../../i18n/common.js";
import { define, empty, icon, notice, PageElement, spinner, toast } from "../../ui/index.js";
import { may } from "./may.js";
import { t } from "./messages.js";
import { t as tr } from "./room_messages.js";
import { paths, Router, viewOf, type View } from "./router.js";
import "../orders/order.js";
import "../orders/orders.js";
import "../pool/pool.js";
import "./room.js";
import "./rooms.js";
import "./studio.css";
import "./control.css";

class AppStudio extends PageElement {
  @state() private account: Account | null = null;
  @state() private problem: string | null = null;
  @state() private view: View = viewOf(window.location.pathname);
  /** The room this page broadcasts into: its view stays alive, unseen, while another one is looked at. */
  @state() private airing: string | null = null;
  private readonly router = new Router((back) => {
    this.view = viewOf(window.location.pathname);
    if (back) return;
    window.scrollTo(0, 0);
    // A screen reader hears the new view's heading, as it would after a page load.
    void this.updateComplete.then(() => this.querySelector<HTMLElement>("main")?.focus({ preventScroll: true }));
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.router.start();
    void this.load();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.router.stop();
  }

  private async load(): Promise<void> {
    this.problem = null;
    try {
      const me = await auth.me();
      if (me.account === null) {
        const next = window.location.pathname + window.location.search;
        window.location.replace(`/signin?next=${encodeURIComponent(next)}`);
        return;
      }
      this.account = me.account;
    } catch (error) {
      this.problem = words(error);
    }
  }

  private async signOut(): Promise<void> {
    try {
      await auth.signOut();
      window.location.assign("/signin");
    } catch (error) {
      toast(words(error), "bad");
    }
  }

  protected override render(): TemplateResult {
    document.title = `${t("studio")} · ${tc("brand")}`;
    const account = this.account;
    const links = [
      { href: paths.rooms, label: t("nav.rooms"), current: this.view.name === "rooms" || this.view.name === "room" },
      ...(account !== null && may(account.role, "manage")
        ? [
            { href: paths.pool, label: t("nav.pool"), current: this.view.name === "pool" },
            { href: paths.orders, label: t("nav.orders"), current: this.view.name === "orders" || this.view.name === "order" },
          ]
        : []),
    ];
    const onAir = this.airing === null || (this.view.name === "room" && this.view.room === this.airing)
      ? nothing
      : html`<a class="badge badge-live onair-link" href=${paths.room(this.airing)}>${tr("onair")}</a>`;
    const end = account === null ? nothing : html`${onAir}<button type="button" class="btn btn-ghost btn-icon" title="${t("signout")} (${account.name})"
      aria-label="${t("signout")} (${account.name})" @click=${() => void this.signOut()}>${icon("signout")}</button>`;
    return html`<ui-nav .links=${links} .end=${end}></ui-nav>
      <main id="main" tabindex="-1">${this.body()}${account === null ? nothing : this.rooms(account)}</main>`;
  }

  private onAir(room: string, on: boolean): void {
    if (on) this.airing = room;
    else if (this.airing === room) this.airing = null;
  }

  private rooms(account: Account): TemplateResult {
    const shown = this.view.name === "room" ? this.view.room : null;
    const alive = [...new Set([this.airing, shown])].filter((room) => room !== null);
    return html`${repeat(alive, (room) => room, (room) => html`<studio-room .account=${account} room=${room} ?hidden=${room !== shown}
      @on-air=${(event: CustomEvent<boolean>) => this.onAir(room, event.detail)}></studio-room>`)}`;
  }

  private body(): TemplateResult | typeof nothing {
    if (this.problem !== null) {
      return html`<div class="page">${notice("bad", html`${this.problem} <button type="button" class="link" @click=${() => void this.load()}>${tc("act.retry")}</button>`)}</div>`;
    }
    const account = this.account;
    if (account === null) return html`<div class="page center">${spinner()}</div>`;
    if (!may(account.role, "moderate")) {
      return html`<div class="page">${empty({ icon: "lock", title: t("denied.title"), text: t("denied.text") })}</div>`;
    }
    const view = this.view;
    switch (view.name) {
      case "rooms":
        return html`<studio-rooms .account=${account}></studio-rooms>`;
      case "room":
        return nothing;
      case "pool":
        return html`<studio-pool></studio-pool>`;
      case "orders":
        return html`<studio-orders></studio-orders>`;
      case "order":
        return html`<studio-order order=${view.order}></studio-order>`;
      case "unknown":
        return html`<div class="page">${empty({
          icon: "search",
          title: t("lost.title"),
          text: t("lost.text"),
          action: html`<a class="btn" href=${paths.rooms}>${t("lost.back")}</a>`,
        })}</div>`;
    }
  }
}

define("app-studio", AppStudio);
