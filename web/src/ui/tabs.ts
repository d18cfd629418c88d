// tabs(): a tab list by the ARIA pattern (arrow keys, Home, End; the selected tab is the only tab stop).
// The caller shows the panel: <div role="tabpanel" id="panel-x" aria-labelledby="tab-x">.
import { html, type TemplateResult } from "lit";
import "./tabs.css";

export interface Tab<K extends string> {
  key: K;
  label: string;
  count?: string;
}

export function tabs<K extends string>(label: string, all: readonly Tab<K>[], selected: K, choose: (key: K) => void): TemplateResult {
  const onKey = (event: KeyboardEvent): void => {
    const at = all.findIndex((tab) => tab.key === selected);
    const step = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (step === undefined) return;
    const next = all[(step + all.length) % all.length];
    if (!next) return;
    event.preventDefault();
    choose(next.key);
    const list = event.currentTarget as HTMLElement;
    requestAnimationFrame(() => list.querySelector<HTMLElement>('[aria-selected="true"]')?.focus());
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} @keydown=${onKey}>
    ${all.map((tab) => html`<button type="button" role="tab" class="tab" id="tab-${tab.key}" aria-controls="panel-${tab.key}"
      aria-selected=${tab.key === selected ? "true" : "false"} tabindex=${tab.key === selected ? 0 : -1}
      @click=${() => choose(tab.key)}>${tab.label}${tab.count === undefined ? "" : html`<span class="tab-count num">${tab.count}</span>`}</button>`)}
  </div>`;
}
