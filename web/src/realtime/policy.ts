// When and how to come back after a lost connection (docs/protocol.md, "Close codes"). Pure: randomness is an argument.

export type Comeback =
  /** Reconnect with backoff, saying where we were. */
  | "resume"
  /** Reconnect at once, without a position. */
  | "fresh"
  /** Do not reconnect. */
  | "stop";

const FIRST_MS = 500;
const MOST_MS = 20_000;

/** What a close code asks of the client. An unknown code outside the ranges is treated as an accident. */
export function comeback(code: number): Comeback {
  if (code >= 4400 && code <= 4499) return "stop";
  if (code >= 4100 && code <= 4199) return "fresh";
  return "resume";
}

/**
 * Full jitter: uniform in [0, cap), the cap doubling from 0.5 s to 20 s, so that a thousand viewers of one
 * lost server do not come back in one instant. `attempt` counts from 0 since the last good connection.
 */
export function backoffMs(attempt: number, random: number): number {
  const cap = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.floor(random * cap);
}

/** Retry-After (seconds) turned into a wait that keeps the server's minimum and spreads a crowd above it. */
export function retryAfterMs(seconds: number | null, attempt: number, random: number): number {
  if (seconds === null) return backoffMs(attempt, random);
  return Math.floor(Math.min(seconds * 1000, MOST_MS) * (1 + random * 0.5));
}
