// A soft glow of the picture behind a landscape video on a portrait screen: a tiny canvas, drawn twice a
// second and enlarged by the browser. Far cheaper than a blur filter over a second video.
const EVERY_MS = 500;

export class Backdrop {
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly canvas: HTMLCanvasElement,
  ) {
    this.timer = setInterval(() => this.draw(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private draw(): void {
    if (document.hidden || this.video.readyState < 2 || this.canvas.offsetParent === null) return;
    const context = this.canvas.getContext("2d", { alpha: false });
    if (!context) return;
    // A share of the new picture over the old one: changes melt in instead of jumping.
    context.globalAlpha = 0.5;
    context.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
  }
}
