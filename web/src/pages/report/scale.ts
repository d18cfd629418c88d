// Geometry of plots: scales, ticks, and curves cut to a span and binned. Pure; knows no SVG and no locale.

const MINUTE_MS = 60_000;

/** Round steps from 0 to at least `most`, about `count` of them: 0, 50, 100, 150. */
export function ticks(most: number, count: number): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999) ?? 10 * power;
  const result: number[] = [];
  for (let index = 0; (index - 1) * step < most; index += 1) result.push(Number((index * step).toPrecision(12)));
  return result;
}

/** The same for whole things: no ticks between one viewer and two. */
export function wholeTicks(most: number, count: number): number[] {
  return ticks(Math.max(1, most), count).filter((value) => Number.isInteger(value));
}

/** Position of `value` on a logarithmic axis from `low` to `high` of length `size`, kept inside it. */
export function logPlace(value: number, low: number, high: number, size: number): number {
  const share = (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low));
  return Math.min(1, Math.max(0, share)) * size;
}

/** Ends of a logarithmic axis that holds all `values` and 1, one of 1, 2, 5 times a power of ten each. */
export function logEnds(values: readonly number[]): [number, number] {
  const positive = values.filter((value) => value > 0);
  const low = Math.min(0.5, ...positive);
  const high = Math.max(5, ...positive);
  const down = [5, 2, 1].map((factor) => factor * 10 ** Math.floor(Math.log10(low))).find((value) => value <= low) ?? low;
  const up = [1, 2, 5, 10].map((factor) => factor * 10 ** Math.floor(Math.log10(high))).find((value) => value >= high) ?? high;
  return [down, up];
}

const MOST_LOG_TICKS = 8;

/** 1, 2, 5, 10, … inside a logarithmic axis; only powers of ten where those would crowd. */
export function logTicks(low: number, high: number, factors: readonly number[] = [1, 2, 5]): number[] {
  const result: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of factors) {
      const value = Number((factor * 10 ** power).toPrecision(6));
      if (value >= low * 0.999 && value <= high * 1.001) result.push(value);
    }
  }
  if (result.length > MOST_LOG_TICKS && factors.length > 1) return logTicks(low, high, [1]);
  return result;
}

export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** The minutes a plot shows: the live time and what followed soon; without live time all that there is. */
export function spanOf(live: readonly (readonly [number, number])[], minutes: readonly number[], afterMs: number): Span | null {
  const floor = (ms: number): number => Math.floor(ms / MINUTE_MS) * MINUTE_MS;
  if (live.length > 0) {
    const start = floor(Math.min(...live.map(([from]) => from)));
    const liveEnd = Math.max(...live.map(([, to]) => to));
    const near = minutes.filter((minute) => minute >= start && minute < liveEnd + afterMs);
    return { startMs: start, endMs: Math.max(floor(liveEnd - 1), ...near) + MINUTE_MS };
  }
  if (minutes.length === 0) return null;
  return { startMs: Math.min(...minutes), endMs: Math.max(...minutes) + MINUTE_MS };
}

export interface Bins {
  readonly stepMs: number;
  readonly starts: readonly number[];
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440];

/** Equal bins over a span, whole minutes each, at most `most` of them unless days would not suffice. */
export function binsOf(span: Span, most: number): Bins {
  const minutes = Math.max(1, Math.ceil((span.endMs - span.startMs) / MINUTE_MS));
  const step = STEPS.find((size) => minutes / size <= most) ?? 1440;
  const count = Math.ceil(minutes / step);
  return { stepMs: step * MINUTE_MS, starts: Array.from({ length: count }, (_, index) => span.startMs + index * step * MINUTE_MS) };
}

/** A sparse series added up in bins, where an absent minute has nothing. What lies outside the bins is told apart. */
export function summed(
  minutes: readonly number[],
  values: readonly number[],
  bins: Bins,
): { readonly values: number[]; readonly outside: number } {
  const result = bins.starts.map(() => 0);
  const first = bins.starts[0] ?? 0;
  let outside = 0;
  minutes.forEach((minute, index) => {
    const value = values[index] ?? 0;
    const at = Math.floor((minute - first) / bins.stepMs);
    const before = result[at];
    if (at < 0 || before === undefined) outside += value;
    else result[at] = before + value;
  });
  return { values: result, outside };
}

/** The greatest value of each bin; null where no minute of it was measured, which is not the same as zero. */
export function greatest(minutes: readonly number[], values: readonly number[], bins: Bins): (number | null)[] {
  const result: (number | null)[] = bins.starts.map(() => null);
  const first = bins.starts[0] ?? 0;
  minutes.forEach((minute, index) => {
    const at = Math.floor((minute - first) / bins.stepMs);
    if (at < 0 || at >= result.length) return;
    result[at] = Math.max(result[at] ?? 0, values[index] ?? 0);
  });
  return result;
}

/** `M x y L x y …` through equally spaced points, interrupted where there is none. */
export function linePath(values: readonly (number | null)[], xOf: (index: number) => number, yOf: (value: number) => number): string {
  let pen = "M";
  return values
    .map((value, index) => {
      if (value === null) {
        pen = "M";
        return "";
      }
      const point = `${pen}${xOf(index).toFixed(1)} ${yOf(value).toFixed(1)}`;
      pen = "L";
      return point;
    })
    .join("");
}
