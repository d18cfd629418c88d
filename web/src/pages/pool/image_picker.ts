// <image-picker>: one picture by upload, drop or address; the server re-encodes it and gives it an address of its own.

import { html, nothing, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { pool } from "../../api/client.js";
import type { StoredImage } from "../../api/types.js";
import { words } from "../../api/words.js";
import { define, icon, PageElement, spinner } from "../../ui/index.js";
import { t } from "./messages.js";

const KINDS = ["image/png", "image/jpeg", "image/webp"];
const LARGEST = 8 * 1024 * 1024;

export class ImagePicker extends PageElement {
  /** Address of the present picture, "" for none. Changes are told by a `picked` event with the new address. */
  @property() image = "";
  /** What the picture is of, instead of the usual words. */
  @property() label = "";
  @property() error = "";
  @state() private problem: string | null = null;
  @state() private busy = false;
  @state() private over = false;
  @state() private url = "";

  private tell(image: string): void {
    this.dispatchEvent(new CustomEvent<string>("picked", { detail: image }));
  }

  private async take(get: () => Promise<StoredImage>): Promise<void> {
    this.busy = true;
    this.problem = null;
    try {
      this.tell((await get()).image);
      this.url = "";
    } catch (error) {
      this.problem = words(error);
    } finally {
      this.busy = false;
    }
  }

  private file(file: File | undefined): void {
    if (file === undefined) return;
    if (!KINDS.includes(file.type)) this.problem = t("image.kind");
    else if (file.size > LARGEST) this.problem = t("image.big");
    else void this.take(() => pool.uploadImage(file));
  }

  private drop(event: DragEvent): void {
    event.preventDefault();
    this.over = false;
    this.file(event.dataTransfer?.files[0]);
  }

  private fetchUrl(): void {
    const url = this.url.trim();
    if (url === "" || this.busy) return;
    void this.take(() => pool.fetchImage(url));
  }

  private onUrlKey(event: KeyboardEvent): void {
    if (event.key !== "Enter") return;
    // Enter here fetches the picture; it must not send the form around it.
    event.preventDefault();
    this.fetchUrl();
  }

  protected override render(): TemplateResult {
    const problem = this.problem ?? (this.error === "" ? null : this.error);
    return html`<div class="field">
      <span class="field-label">${this.label || t("image.label")}</span>
      <div class="drop ${this.over ? "is-over" : ""}" @dragover=${(event: DragEvent) => { event.preventDefault(); this.over = true; }} @dragleave=${() => (this.over = false)} @drop=${(event: DragEvent) => this.drop(event)}>
        ${this.busy ? html`<div class="center">${spinner()}<span class="small">${t("image.busy")}</span></div>` : this.image === "" ? nothing : html`<img class="drop-picture" src=${this.image} alt=${t("image.alt")} />`}
        <div class="stack drop-text">
          <div class="row">
            <label class="btn btn-sm">${icon("upload")}<span>${t("image.choose")}</span>
              <input class="sr-only" type="file" accept=${KINDS.join(",")} @change=${(event: Event) => { const input = event.target as HTMLInputElement; this.file(input.files?.[0]); input.value = ""; }} /></label>
            ${this.image === "" ? nothing : html`<button type="button" class="btn btn-sm btn-ghost" @click=${() => this.tell("")}>${t("image.remove")}</button>`}
          </div>
          <p class="field-hint">${t("image.drop")}</p>
        </div>
      </div>
      <div class="row row-fixed">
        <input class="input grow" type="url" inputmode="url" aria-label=${t("image.url")} placeholder="${t("image.url")}: https://…" .value=${this.url}
          @input=${(event: InputEvent) => (this.url = (event.target as HTMLInputElement).value)} @keydown=${(event: KeyboardEvent) => this.onUrlKey(event)} />
        <button type="button" class="btn" ?disabled=${this.url.trim() === "" || this.busy} @click=${() => this.fetchUrl()}>${t("image.fetch")}</button>
      </div>
      ${problem === null ? nothing : html`<div class="field-error" role="alert">${icon("alert")}<span>${problem}</span></div>`}
    </div>`;
  }
}

define("image-picker", ImagePicker);

declare global {
  interface HTMLElementTagNameMap {
    "image-picker": ImagePicker;
  }
}
