// <room-form>: a new room, or the settings of one.

import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { property, state } from "lit/decorators.js";
import { rooms } from "../../api/client.js";
import type { CreatedRoom, Room, RoomInput } from "../../api/types.js";
import { fieldOf, words } from "../../api/words.js";
import { fromLocalInput, toLocalInput } from "../../format/index.js";
import { tc } from "../../i18n/common.js";
import { define, field, notice, PageElement, toast } from "../../ui/index.js";
import "../pool/image_picker.js";
import { t } from "./messages.js";

const CURRENCIES = ["USD", "EUR", "GBP", "CNY", "HKD", "TWD", "SGD", "JPY", "KRW", "MYR", "THB", "PHP", "AUD", "CAD", "KWD"];
const FIELDS = ["title", "description", "poster", "starts_ms", "currency"] as const;
type Field = (typeof FIELDS)[number];

export class RoomForm extends PageElement {
  @property({ type: Boolean }) open = false;
  /** null: a new room. */
  @property({ attribute: false }) room: Room | null = null;
  @state() private heading = "";
  @state() private description = "";
  @state() private poster = "";
  @state() private starts = "";
  @state() private currency = "USD";
  @state() private listed = true;
  @state() private test = false;
  @state() private busy = false;
  @state() private errors: Partial<Record<Field, string>> = {};
  @state() private problem: string | null = null;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("open") || !this.open) return;
    const room = this.room;
    this.heading = room?.title ?? "";
    this.description = room?.description ?? "";
    this.poster = room?.poster ?? "";
    this.starts = room?.starts_ms == null ? "" : toLocalInput(room.starts_ms);
    this.currency = room?.currency ?? "USD";
    this.listed = room?.listed ?? true;
    this.test = room?.test ?? false;
    this.errors = {};
    this.problem = null;
  }

  private close(): void {
    this.dispatchEvent(new CustomEvent("done"));
  }

  private check(): boolean {
    const errors: Partial<Record<Field, string>> = {};
    if (this.heading.trim() === "") errors.title = t("need.title");
    const starts = fromLocalInput(this.starts);
    const unchanged = this.room?.starts_ms != null && this.starts === toLocalInput(this.room.starts_ms);
    if (starts !== null && !unchanged && starts < Date.now()) errors.starts_ms = t("need.future");
    this.errors = errors;
    return Object.keys(errors).length === 0;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    if (!this.check()) return;
    const starts = fromLocalInput(this.starts);
    const input: RoomInput = {
      title: this.heading.trim(),
      description: this.description.trim(),
      poster: this.poster === "" ? null : this.poster,
      currency: this.currency,
      listed: this.listed,
      test: this.test,
      ...(starts === null ? (this.room?.starts_ms == null ? {} : { starts_ms: null }) : { starts_ms: starts }),
    };
    this.busy = true;
    this.problem = null;
    try {
      if (this.room === null) {
        const created = await rooms.create(input);
        this.dispatchEvent(new CustomEvent<CreatedRoom>("created", { detail: created }));
      } else {
        const changed = await rooms.change(this.room.id, input);
        toast(t("form.saved"), "ok");
        this.dispatchEvent(new CustomEvent<Room>("changed", { detail: changed }));
      }
    } catch (error) {
      const at = fieldOf(error, FIELDS);
      if (at === null) this.problem = words(error);
      else this.errors = { [at]: words(error) };
    } finally {
      this.busy = false;
    }
  }

  protected override render(): TemplateResult {
    const text = (event: Event): string => (event.target as HTMLInputElement).value;
    const currencies = CURRENCIES.includes(this.currency) ? CURRENCIES : [this.currency, ...CURRENCIES];
    return html`<ui-sheet .open=${this.open} heading=${this.room === null ? t("form.new") : t("form.edit")} @ui-close=${() => this.close()}>
      <form class="stack form" novalidate @submit=${(event: Event) => void this.submit(event)}>
        ${this.problem === null ? nothing : notice("bad", this.problem)}
        ${field({ id: "room-title", label: t("form.title"), hint: t("form.title.hint"), error: this.errors.title }, (f) => html`<input
          class="input" id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid} maxlength="120" required
          .value=${this.heading} @input=${(event: Event) => (this.heading = text(event))} />`)}
        ${field({ id: "room-description", label: t("form.description"), optional: true, error: this.errors.description }, (f) => html`<textarea
          class="input" id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid} maxlength="2000" rows="3"
          .value=${this.description} @input=${(event: Event) => (this.description = text(event))}></textarea>`)}
        <image-picker .image=${this.poster} label=${t("form.poster")} error=${this.errors.poster ?? ""} @picked=${(event: CustomEvent<string>) => (this.poster = event.detail)}></image-picker>
        ${field({ id: "room-starts", label: t("form.starts"), optional: true, hint: t("form.starts.hint"), error: this.errors.starts_ms }, (f) => html`<input
          class="input" type="datetime-local" id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid}
          .value=${this.starts} @input=${(event: Event) => (this.starts = text(event))} />`)}
        ${field({ id: "room-currency", label: t("form.currency"), hint: t("form.currency.hint"), error: this.errors.currency }, (f) => html`<select
          class="input" id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid}
          @change=${(event: Event) => (this.currency = text(event))}>
          ${currencies.map((code) => html`<option value=${code} ?selected=${code === this.currency}>${code}</option>`)}</select>`)}
        ${this.toggle("room-listed", t("form.listed"), t("form.listed.hint"), this.listed, (on) => (this.listed = on))}
        ${this.toggle("room-test", t("form.test"), t("form.test.hint"), this.test, (on) => (this.test = on))}
        <div class="dialog-actions">
          <button type="button" class="btn" @click=${() => this.close()}>${tc("act.cancel")}</button>
          <button type="submit" class="btn btn-primary ${this.busy ? "is-busy" : ""}" ?disabled=${this.busy}><span>${this.room === null ? t("form.create") : tc("act.save")}</span></button>
        </div>
      </form>
    </ui-sheet>`;
  }

  private toggle(id: string, label: string, hint: string, on: boolean, set: (on: boolean) => void): TemplateResult {
    return html`<label class="switch switch-row" for=${id}>
      <span class="grow"><span class="field-label">${label}</span><span class="field-hint block">${hint}</span></span>
      <input type="checkbox" role="switch" id=${id} .checked=${on} @change=${(event: Event) => set((event.target as HTMLInputElement).checked)} />
    </label>`;
  }
}

define("room-form", RoomForm);

declare global {
  interface HTMLElementTagNameMap {
    "room-form": RoomForm;
  }
}
