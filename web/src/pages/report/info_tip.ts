// infoTip(): a small button that shows a definition on hover, focus or tap; read out as its description.
import { html, type TemplateResult } from "lit";
import { icon } from "../../ui/index.js";
import { t } from "./messages.js";

export function infoTip(id: string, name: string, text: string): TemplateResult {
  return html`<span class="tip"><button type="button" class="tip-button" aria-label=${t("metrics.def", { name })} aria-describedby="tip-${id}">${icon("info")}</button>
    <span class="tip-text" role="tooltip" id="tip-${id}">${text}</span></span>`;
}
