// <stream-key>: a room's stream key, shown once, with what an encoder needs beside it.

import { html, type TemplateResult } from "lit";
import { property } from "lit/decorators.js";
import { tc } from "../../i18n/common.js";
import { define, icon, notice, PageElement, toast } from "../../ui/index.js";
import { t } from "./messages.js";

export class StreamKey extends PageElement {
  @property() room = "";
  /** Empty: closed. */
  @property() key = "";

  private get server(): string {
    return `${window.location.origin}/whip/${encodeURIComponent(this.room)}`;
  }

  private async copy(what: string, text: string, from: Event): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
      toast(t("key.copied", { what }), "ok");
    } catch {
      // No clipboard on plain http: select the text, so that the keyboard can copy it.
      const input = (from.currentTarget as HTMLElement).closest(".copy-row")?.querySelector("input");
      input?.focus();
      input?.select();
    }
  }

  private row(id: string, label: string, value: string): TemplateResult {
    return html`<div class="field">
      <label class="field-label" for=${id}>${label}</label>
      <div class="row row-fixed copy-row">
        <input class="input mono grow" id=${id} readonly .value=${value} @focus=${(event: FocusEvent) => (event.target as HTMLInputElement).select()} />
        <button type="button" class="btn btn-icon" aria-label="${tc("act.copy")}: ${label}" title=${tc("act.copy")}
          @click=${(event: Event) => void this.copy(label, value, event)}>${icon("copy")}</button>
      </div>
    </div>`;
  }

  protected override render(): TemplateResult {
    const close = (): void => {
      this.dispatchEvent(new CustomEvent("done"));
    };
    return html`<ui-dialog class="wide-dialog" .open=${this.key !== ""} heading=${t("key.title")} @ui-close=${close}>
      <div class="stack">
        ${notice("warn", t("key.once"))}
        ${this.row("key-server", t("key.server"), this.server)}
        ${this.row("key-secret", t("key.label"), this.key)}
        <div>
          <h3 class="small strong">${t("key.obs")}</h3>
          <ol class="steps small muted">
            <li>${t("key.obs.1")}</li><li>${t("key.obs.2")}</li><li>${t("key.obs.3")}</li><li>${t("key.obs.4")}</li>
          </ol>
          <p class="small faint">${t("key.any")}</p>
        </div>
        <div class="dialog-actions"><button type="button" class="btn btn-primary" @click=${close}>${t("key.done")}</button></div>
      </div>
    </ui-dialog>`;
  }
}

define("stream-key", StreamKey);

declare global {
  interface HTMLElementTagNameMap {
    "stream-key": StreamKey;
  }
}
