// How loud a block of sound samples is, on the scale a meter shows. Pure.

const FLOOR_DB = -60;

/** 0 (at or below -60 dBFS) to 1 (full scale), from the root mean square of samples in [-1, 1]. */
export function levelOf(samples: Float32Array): number {
  if (samples.length === 0) return 0;
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const db = 10 * Math.log10(sum / samples.length);
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / -FLOOR_DB));
}

/** A meter falls slowly and rises at once, so that the eye can follow speech. */
export function decayed(shown: number, now: number, elapsedMs: number): number {
  return Math.max(now, shown - elapsedMs / 1200);
}
