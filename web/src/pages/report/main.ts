// <app-report>: what one room earned, against the industry, on screen and on paper.

import { html, nothing, type TemplateResult } from "lit";
import { state } from "lit/decorators.js";
import { cards, pool, reports, rooms } from "../../api/client.js";
import { ApiError } from "../../api/errors.js";
import type { Report } from "../../api/report.js";
import type { Room } from "../../api/types.js";
import { words } from "../../api/words.js";
import { dateTime } from "../../format/index.js";
import { tc } from "../../i18n/common.js";
import { define, empty, icon, notice, PageElement } from "../../ui/index.js";
import { paths } from "../studio/router.js";
import { t as ts } from "../studio/messages.js";
import "./curves.js";
import { t } from "./messages.js";
import "./report.css";
import { attributionSection, audienceSection, funnelSection, metricsSection, moneySection, phasesSection, productsSection, trustSection, type Titles } from "./sections.js";
import { compareSection, headline, verdictSection } from "./verdict.js";

const POOL_PAGE = 100;
const MOST_POOL_PAGES = 5;

class AppReport extends PageElement {
  @state() private report: Report | null = null;
  @state() private room: Room | null = null;
  @state() private titles: Titles = new Map();
  @state() private problem: unknown = null;
  private readonly roomId = decodeURIComponent(/^\/studio\/rooms\/([^/]+)\/report/.exec(window.location.pathname)?.[1] ?? "");
  private readonly show = new URLSearchParams(window.location.search).get("show") ?? undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.load();
  }

  private async load(): Promise<void> {
    this.problem = null;
    this.report = null;
    try {
      const [report, room] = await Promise.all([reports.get(this.roomId, this.show), rooms.get(this.roomId)]);
      this.room = room;
      this.report = report;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        window.location.replace(`/signin?next=${encodeURIComponent(window.location.pathname + window.location.search)}`);
        return;
      }
      this.problem = error;
      return;
    }
    await this.loadTitles();
  }

  /** The report names products by id alone: what was sold stays true when a title changes. */
  private async loadTitles(): Promise<void> {
    const titles = new Map<string, { title: string; image: string | null }>();
    try {
      for (const card of (await cards.bag(this.roomId)).cards) titles.set(card.product, card);
      const missing = (): boolean => this.report?.products.some(({ product }) => !titles.has(product)) ?? false;
      let after: string | undefined;
      for (let page = 0; page < MOST_POOL_PAGES && missing(); page += 1) {
        const got = await pool.list({ limit: POOL_PAGE, ...(after === undefined ? {} : { after }) });
        for (const product of got.products) titles.set(product.id, product);
        if (got.next === null) break;
        after = got.next;
      }
    } catch {
      // Figures stand without names; the table says so row by row.
    }
    this.titles = titles;
  }

  protected override render(): TemplateResult {
    document.title = `${t("title")}${this.room === null ? "" : ` · ${this.room.title}`} · ${tc("brand")}`;
    const links = [
      { href: paths.rooms, label: ts("nav.rooms"), current: true },
      { href: paths.pool, label: ts("nav.pool"), current: false },
      { href: paths.orders, label: ts("nav.orders"), current: false },
    ];
    return html`<ui-nav class="no-print" .links=${links}></ui-nav><main id="main" class="page report">${this.body()}</main>`;
  }

  private body(): TemplateResult {
    if (this.problem instanceof ApiError && this.problem.status === 404) {
      return empty({ icon: "chart", title: t("gone.title"), text: t("gone.text"), action: html`<a class="btn" href=${paths.rooms}>${ts("lost.back")}</a>` });
    }
    if (this.problem !== null) return notice("bad", html`${words(this.problem)} <button type="button" class="link" @click=${() => void this.load()}>${tc("act.retry")}</button>`);
    const { report, room } = this;
    if (report === null || room === null) {
      return html`<div class="stack" role="status"><span class="sr-only">${t("loading")}</span><div class="skeleton report-skeleton-head"></div><div class="skeleton report-skeleton"></div><div class="skeleton report-skeleton"></div></div>`;
    }
    return html`${this.head(report, room)}
      <div class="report-sections">
        ${verdictSection(report)}${moneySection(report)}${audienceSection(report)}
        <report-curves .report=${report}></report-curves>
        ${funnelSection(report)}${phasesSection(report)}${productsSection(report, this.titles)}${metricsSection(report)}
        ${attributionSection(report)}${compareSection(report)}${trustSection(report)}
      </div>`;
  }

  private head(report: Report, room: Room): TemplateResult {
    const running = room.state === "live" || room.state === "interrupted";
    return html`<header class="report-top">
      <a class="back-link small no-print" href=${paths.room(this.roomId)}>${icon("back")}<span>${t("back")}</span></a>
      <div class="row between report-title-row">
        <div class="grow"><p class="small muted report-room">${t("title")} · ${room.title}</p><h1 class="report-headline">${headline(report)}</h1>
          <p class="small muted">${t("window", { from: dateTime(report.window.start_ms), to: dateTime(report.window.end_ms) })} · ${t("asof", { when: dateTime(report.as_of_ms) })} · ${report.currency}</p></div>
        <div class="row no-print report-actions">
          <a class="btn btn-sm" href=${reports.csvUrl(this.roomId, this.show)} download="report-${this.roomId}.csv">${icon("download")}<span>${t("csv")}</span></a>
          <a class="btn btn-sm" href=${reports.jsonUrl(this.roomId, this.show)} download="report-${this.roomId}.json">${icon("download")}<span>${t("json")}</span></a>
          <button type="button" class="btn btn-sm" @click=${() => window.print()}>${icon("print")}<span>${t("print")}</span></button>
        </div>
      </div>
      ${running ? html`<div class="no-print">${notice("info", html`${t("running")} <button type="button" class="link" @click=${() => void this.load()}>${t("refresh")}</button>`)}</div>` : nothing}
    </header>`;
  }
}

define("app-report", AppReport);
