// The last minutes of a sparse per-minute series, gaps filled with nothing sold. Pure.

const MINUTE_MS = 60_000;

/** At most `most` minutes up to the newest one known, oldest first; the server sends only minutes with sales. */
export function lastMinutes(series: readonly (readonly [number, number])[], most: number): [number, number][] {
  if (series.length === 0) return [];
  const known = new Map(series);
  const newest = Math.max(...known.keys());
  const oldest = Math.max(Math.min(...known.keys()), newest - (most - 1) * MINUTE_MS);
  const filled: [number, number][] = [];
  for (let minute = oldest; minute <= newest; minute += MINUTE_MS) filled.push([minute, known.get(minute) ?? 0]);
  return filled;
}
