// The share sheet: link, QR code drawn by the server, and the system's own share menu where there is one.
import { html, nothing, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { tc } from "../../i18n/common.js";
import { define, icon, PageElement, toast } from "../../ui/index.js";
import { t } from "./messages.js";

export class RoomShare extends PageElement {
  @property() room = "";
  @property() heading = "";
  @property({ type: Boolean }) open = false;
  @state() private copied = false;

  private get link(): string {
    return new URL(`/r/${encodeURIComponent(this.room)}`, location.origin).href;
  }

  private async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.link);
    } catch {
      // Without a secure context there is no clipboard; selecting the text lets the reader do it.
      const input = this.querySelector<HTMLInputElement>("#share-link");
      input?.select();
      if (!document.execCommand("copy")) return;
    }
    this.copied = true;
    toast(t("share.copied"), "ok");
    setTimeout(() => (this.copied = false), 2000);
  }

  private share(): void {
    // Closing the system's menu rejects: that is no failure.
    navigator.share({ title: this.heading, url: this.link }).catch(() => undefined);
  }

  protected override render(): TemplateResult {
    const close = (): boolean => this.dispatchEvent(new CustomEvent("ui-close"));
    return html`<ui-sheet .open=${this.open} heading=${t("share.title")} @ui-close=${close}>
      <div class="stack share">
        ${this.open ? html`<figure class="share-qr"><img src="/r/${encodeURIComponent(this.room)}/qr.svg" width="220" height="220" alt=${t("share.qr")} />
          <figcaption class="small muted">${t("share.scan")}</figcaption></figure>` : nothing}
        <div class="row row-fixed"><input class="input grow mono" id="share-link" readonly aria-label=${t("share.copy")} .value=${this.link} @focus=${(event: FocusEvent) => (event.target as HTMLInputElement).select()} />
          <button type="button" class="btn btn-primary" @click=${this.copy}>${icon(this.copied ? "check" : "copy")}${this.copied ? tc("act.copied") : tc("act.copy")}</button></div>
        ${typeof navigator.share === "function" ? html`<button type="button" class="btn btn-block" @click=${this.share}>${icon("share")}${t("share.more")}</button>` : nothing}
      </div></ui-sheet>`;
  }
}

define("room-share", RoomShare);
