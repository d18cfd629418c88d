// <level-meter>: how loud the outgoing sound is, drawn each frame and read out by nobody (a moving value is noise).

import { html, type TemplateResult } from "lit";
import { property } from "lit/decorators.js";
import { define, PageElement } from "../../ui/index.js";
import { decayed } from "./level.js";

export class LevelMeter extends PageElement {
  @property() label = "";
  @property({ attribute: false }) level: () => number = () => 0;
  private shown = 0;
  private at = 0;
  private frame = 0;

  override connectedCallback(): void {
    super.connectedCallback();
    this.frame = requestAnimationFrame((now) => this.draw(now));
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    cancelAnimationFrame(this.frame);
  }

  private draw(now: number): void {
    this.shown = decayed(this.shown, this.level(), now - this.at);
    this.at = now;
    const bar = this.querySelector<HTMLElement>(".meter-bar");
    if (bar !== null) bar.style.transform = `scaleY(${this.shown.toFixed(3)})`;
    this.frame = requestAnimationFrame((next) => this.draw(next));
  }

  protected override render(): TemplateResult {
    return html`<span class="meter" role="img" aria-label=${this.label} title=${this.label}><span class="meter-bar"></span></span>`;
  }
}

define("level-meter", LevelMeter);

declare global {
  interface HTMLElementTagNameMap {
    "level-meter": LevelMeter;
  }
}
