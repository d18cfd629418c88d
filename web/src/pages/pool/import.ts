// <pool-import>: a CSV is checked first, its bad rows are named by row and column, and the rest is offered.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { pool } from "../../api/client.js";
import type { ImportProblem, ImportResult } from "../../api/types.js";
import { words } from "../../api/words.js";
import { count } from "../../format/index.js";
import { lang } from "../../i18n/lang.js";
import { define, icon, notice, PageElement, spinner, tile } from "../../ui/index.js";
import { problemText } from "./csv_words.js";
import { t } from "./messages.js";
import { templateCsv } from "./template.js";

// More than this nobody reads; the number of the others is said.
const SHOWN_ERRORS = 50;

type Step = "choose" | "checking" | "checked" | "done";

export class PoolImport extends PageElement {
  @property({ type: Boolean }) open = false;
  @state() private step: Step = "choose";
  @state() private name = "";
  @state() private result: ImportResult | null = null;
  @state() private problem: string | null = null;
  @state() private busy = false;
  @state() private over = false;
  private file: File | null = null;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("open") && this.open) this.reset();
  }

  private reset(): void {
    this.step = "choose";
    this.result = null;
    this.problem = null;
    this.file = null;
  }

  private async check(file: File | undefined): Promise<void> {
    if (file === undefined) return;
    this.file = file;
    this.name = file.name;
    this.step = "checking";
    this.problem = null;
    try {
      this.result = await pool.importCsv(file, "preview");
      this.step = "checked";
    } catch (error) {
      this.problem = error instanceof DOMException ? t("csv.unreadable") : words(error);
      this.step = "choose";
    }
  }

  private async commit(): Promise<void> {
    if (this.file === null) return;
    this.busy = true;
    this.problem = null;
    try {
      this.result = await pool.importCsv(this.file, "commit");
      this.step = "done";
      this.dispatchEvent(new CustomEvent("imported"));
    } catch (error) {
      this.problem = words(error);
    } finally {
      this.busy = false;
    }
  }

  private downloadTemplate(): void {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([templateCsv()], { type: "text/csv" }));
    link.download = "products.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  private drop(event: DragEvent): void {
    event.preventDefault();
    this.over = false;
    void this.check(event.dataTransfer?.files[0]);
  }

  protected override render(): TemplateResult {
    const close = (): void => {
      this.dispatchEvent(new CustomEvent("done"));
    };
    return html`<ui-dialog class="wide-dialog" .open=${this.open} heading=${t("csv.title")} @ui-close=${close}>
      <div class="stack">
        ${this.problem === null ? nothing : notice("bad", this.problem)}
        ${this.step === "choose" ? this.choose() : nothing}
        ${this.step === "checking" ? html`<div class="center" role="status">${spinner()}<span>${t("csv.checking")}</span></div>` : nothing}
        ${this.step === "checked" && this.result !== null ? this.checked(this.result) : nothing}
        ${this.step === "done" && this.result !== null ? this.finished(this.result, close) : nothing}
      </div>
    </ui-dialog>`;
  }

  private fileButton(label: string, kind = ""): TemplateResult {
    return html`<label class="btn ${kind}">${icon("upload")}<span>${label}</span>
      <input class="sr-only" type="file" accept=".csv,text/csv" @change=${(event: Event) => { const input = event.target as HTMLInputElement; void this.check(input.files?.[0]); input.value = ""; }} /></label>`;
  }

  private choose(): TemplateResult {
    return html`<p class="muted">${t("csv.lead")}</p>
      <div class="drop drop-file ${this.over ? "is-over" : ""}" @dragover=${(event: DragEvent) => { event.preventDefault(); this.over = true; }} @dragleave=${() => (this.over = false)} @drop=${(event: DragEvent) => this.drop(event)}>
        ${this.fileButton(t("csv.choose"), "btn-primary")}
        <p class="field-hint">${t("csv.drop")}</p>
      </div>
      <div><button type="button" class="btn btn-ghost btn-sm" @click=${() => this.downloadTemplate()}>${icon("download")}<span>${t("csv.template")}</span></button></div>`;
  }

  private checked(result: ImportResult): TemplateResult {
    const bad = result.rows - result.valid;
    return html`<p class="small muted">${t("csv.file", { name: this.name })}</p>
      <div class="tiles">
        ${tile({ label: t("csv.rows"), value: count(result.rows) })}
        ${tile({ label: t("csv.valid"), value: count(result.valid), note: `${t("csv.new")} ${count(result.created)} · ${t("csv.updates")} ${count(result.updated)}` })}
        ${tile({ label: t("csv.bad"), value: count(bad) })}
      </div>
      ${result.errors.length === 0 ? nothing : this.errors(result.errors)}
      ${result.sample.length === 0 ? nothing : this.sample(result)}
      ${result.valid === 0 ? notice("warn", t("csv.nothing")) : nothing}
      <div class="dialog-actions">
        ${this.fileButton(t("csv.other"), "actions-first")}
        ${result.valid === 0 ? nothing : html`<button type="button" class="btn btn-primary ${this.busy ? "is-busy" : ""}" ?disabled=${this.busy} @click=${() => void this.commit()}><span>${bad > 0 ? t("csv.do.rest", { n: result.valid }) : t("csv.do", { n: result.valid })}</span></button>`}
      </div>`;
  }

  private errors(errors: readonly ImportProblem[]): TemplateResult {
    const shown = errors.slice(0, SHOWN_ERRORS);
    return html`<div>
      <h3 class="small strong">${t("csv.errors")}</h3>
      <p class="xsmall faint">${t("csv.errors.note")}</p>
      <div class="table-wrap csv-errors" tabindex="0" role="region" aria-label=${t("csv.errors")}><table class="table">
        <thead><tr><th scope="col" class="end">${t("csv.col.row")}</th><th scope="col">${t("csv.col.column")}</th><th scope="col">${t("csv.col.problem")}</th></tr></thead>
        <tbody>${shown.map((error) => html`<tr><td class="end">${error.row === 0 ? t("csv.header") : error.row}</td><td class="mono">${error.column === "" ? "–" : error.column}</td>
          <td>${problemText(error.code) ?? error.message}${lang() === "en" || problemText(error.code) === null ? nothing : html`<span class="xsmall faint block">${error.message}</span>`}</td></tr>`)}</tbody>
      </table></div>
      ${errors.length > shown.length ? html`<p class="xsmall faint">${t("csv.more", { n: errors.length - shown.length })}</p>` : nothing}
    </div>`;
  }

  private sample(result: ImportResult): TemplateResult {
    return html`<div>
      <h3 class="small strong">${t("csv.sample")}</h3>
      <div class="table-wrap" tabindex="0" role="region" aria-label=${t("csv.sample")}><table class="table">
        <thead><tr><th scope="col">${t("col.sku")}</th><th scope="col">${t("col.product")}</th><th scope="col" class="end">${t("col.price")}</th><th scope="col" class="end">${t("col.stock")}</th></tr></thead>
        <tbody>${result.sample.slice(0, 5).map((row) => html`<tr><td class="mono">${row.id}</td><td class="product-cell">${row.title}</td><td class="end">${row.price}</td><td class="end">${row.stock}</td></tr>`)}</tbody>
      </table></div>
    </div>`;
  }

  private finished(result: ImportResult, close: () => void): TemplateResult {
    return html`${notice("ok", html`<span class="strong">${t("csv.done")}</span><br />${t("csv.done.text", {
        created: count(result.created), updated: count(result.updated), left: count(result.rows - result.valid),
      })}`)}
      <div class="dialog-actions"><button type="button" class="btn btn-primary" @click=${close}>${t("csv.finish")}</button></div>`;
  }
}

define("pool-import", PoolImport);

declare global {
  interface HTMLElementTagNameMap {
    "pool-import": PoolImport;
  }
}
