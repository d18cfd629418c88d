// Small templates every page uses: field, avatar, empty state, stat tile, notice, skeleton lines.
import { html, nothing, type TemplateResult } from "lit";
import { tc } from "../i18n/common.js";
import { icon, type IconName } from "./icon.js";

type Content = TemplateResult | string | number | typeof nothing;

/** Ids that tie a control to its hint and error: spread them on the control. */
export interface FieldIds {
  id: string;
  describedBy: string;
  invalid: "true" | "false";
}

/**
 * A labelled control with hint and error:
 * field({ id: "email", label: t("email"), error: this.errors.email }, (f) =>
 *   html`<input class="input" id=${f.id} aria-describedby=${f.describedBy} aria-invalid=${f.invalid} …>`)
 */
export function field(
  options: { id: string; label: string; hint?: string | undefined; error?: string | undefined; optional?: boolean },
  control: (ids: FieldIds) => TemplateResult,
): TemplateResult {
  const { id, label, hint, error, optional } = options;
  return html`<div class="field">
    <label class="field-label" for=${id}>${label}${optional ? html` <span class="field-optional">${tc("field.optional")}</span>` : nothing}</label>
    ${control({ id, describedBy: `${id}-note`, invalid: error ? "true" : "false" })}
    <div id="${id}-note">
      ${error ? html`<div class="field-error">${icon("alert")}<span>${error}</span></div>` : hint ? html`<div class="field-hint">${hint}</div>` : nothing}
    </div>
  </div>`;
}

/** Initials on a colour that depends on the name alone. */
export function avatar(name: string): TemplateResult {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return html`<span class="avatar avatar-${sum % 8}" aria-hidden="true">${[...name.trim()][0] ?? "?"}</span>`;
}

export function empty(options: { icon: IconName; title: string; text?: string; action?: TemplateResult }): TemplateResult {
  return html`<div class="empty"><span class="empty-mark">${icon(options.icon)}</span><h3>${options.title}</h3>
    ${options.text ? html`<p>${options.text}</p>` : nothing}${options.action ?? nothing}</div>`;
}

export function tile(options: { label: string; value: Content; note?: Content; icon?: IconName }): TemplateResult {
  return html`<div class="tile"><span class="tile-label">${options.icon ? icon(options.icon) : nothing}${options.label}</span>
    <span class="tile-value">${options.value}</span>${options.note === undefined ? nothing : html`<span class="tile-note">${options.note}</span>`}</div>`;
}

export function notice(kind: "info" | "ok" | "warn" | "bad", content: Content): TemplateResult {
  return html`<div class="notice notice-${kind}" role=${kind === "bad" ? "alert" : "status"}>
    ${icon(kind === "ok" ? "check" : kind === "info" ? "info" : "alert")}<div class="grow">${content}</div></div>`;
}

export const spinner = (): TemplateResult => html`<span class="spinner" role="status"><span class="sr-only">${tc("state.loading")}</span></span>`;
