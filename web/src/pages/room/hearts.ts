// Likes: taps are collected and sent in batches; hearts rise for one's own taps and for everybody's.
const FLUSH_MS = 400;
const MOST_PER_FRAME = 50;
// Policy: above this many on screen new hearts are not drawn; they are decoration.
const MOST_ON_SCREEN = 24;
const HEART = "M12 20.300S3.500 15.400 3.500 9.300A4.800 4.800 0 0 1 12 6.300a4.800 4.800 0 0 1 8.500 3c0 6.100-8.500 11-8.500 11z";
const COLOURS = ["#ff5a3c", "#ff8a5c", "#ffb199", "#ff3d6e", "#ffd166"];

export class Likes {
  private waiting = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private onScreen = 0;
  private lastTotal: number | null = null;
  private own = 0;

  constructor(private readonly send: (n: number) => void) {}

  /** One tap. */
  tap(layer: HTMLElement | null): void {
    this.waiting = Math.min(MOST_PER_FRAME, this.waiting + 1);
    this.own += 1;
    this.rise(layer, 0);
    this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  /** The room's total moved: show some of the others' hearts. */
  total(now: number, layer: HTMLElement | null): void {
    const before = this.lastTotal;
    this.lastTotal = now;
    if (before === null || now <= before) return;
    const others = now - before - this.own;
    this.own = Math.max(0, this.own - (now - before));
    for (let n = 0; n < Math.min(5, others); n++) this.rise(layer, n * 140);
  }

  /** Taps not sent yet: the page adds them to the total it shows. */
  get unsent(): number {
    return this.waiting;
  }

  private flush(): void {
    this.timer = undefined;
    const n = this.waiting;
    this.waiting = 0;
    if (n > 0) this.send(n);
  }

  private rise(layer: HTMLElement | null, delay: number): void {
    if (!layer || document.hidden || this.onScreen >= MOST_ON_SCREEN || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const heart = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    heart.setAttribute("viewBox", "0 0 24 24");
    heart.classList.add("rising-heart");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", HEART);
    path.setAttribute("fill", COLOURS[Math.floor(Math.random() * COLOURS.length)] ?? "#ff5a3c");
    heart.append(path);
    layer.append(heart);
    this.onScreen += 1;
    const drift = (Math.random() - 0.5) * 70;
    const size = 0.8 + Math.random() * 0.6;
    const animation = heart.animate(
      [
        { transform: `translate(0, 0) scale(${size * 0.3})`, opacity: 0 },
        { transform: `translate(${drift * 0.3}px, -40px) scale(${size})`, opacity: 1, offset: 0.15 },
        { transform: `translate(${drift}px, -${220 + Math.random() * 90}px) scale(${size * 0.9}) rotate(${drift / 3}deg)`, opacity: 0 },
      ],
      { duration: 1900 + Math.random() * 700, delay, easing: "cubic-bezier(0.2, 0.6, 0.4, 1)", fill: "backwards" },
    );
    const done = (): void => {
      heart.remove();
      this.onScreen -= 1;
    };
    animation.onfinish = done;
    animation.oncancel = done;
  }
}
