// Errors of the HTTP API as values (RFC 9457 problem+json), and the rule for trying a call again.
// Pure: knows no fetch and no page.

/** `code` when no answer came at all; the server never sends these. */
export const NETWORK = "network";
export const TIMEOUT = "timeout";
const UNREADABLE = "unreadable_answer";

/** What the server said is wrong: `code` names a message in the page's catalogue. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    /** HTTP status, 0 when no answer came. */
    readonly status: number,
    readonly code: string,
    /** English, for developers. */
    readonly detail: string,
    /** The field at fault, e.g. `lines[0].quantity`. */
    readonly where: string | null = null,
    /** Seconds the server asked to wait. */
    readonly retryAfter: number | null = null,
    readonly requestId: string | null = null,
  ) {
    super(`${code}: ${detail}`);
  }
}

/** Retry-After as seconds: a number, or an HTTP date measured from `nowMs`; null when absent or unreadable. */
export function retryAfterSeconds(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - nowMs) / 1000));
}

function textOf(source: Record<string, unknown>, key: string): string | null {
  const value = source[key];
  return typeof value === "string" ? value : null;
}

/** The error an answer with `status` stands for, whatever its body holds. */
export function problemFrom(status: number, body: string, retryAfter: number | null): ApiError {
  let parsed: unknown = null;
  try {
    parsed = JSON.parse(body);
  } catch {
    // A proxy's HTML page, or nothing: the status has to speak for itself.
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    return new ApiError(status, UNREADABLE, `answer ${status} without a problem body`, null, retryAfter);
  }
  const fields = parsed as Record<string, unknown>;
  return new ApiError(
    status,
    textOf(fields, "code") ?? UNREADABLE,
    textOf(fields, "detail") ?? textOf(fields, "title") ?? "",
    textOf(fields, "where"),
    retryAfter,
    textOf(fields, "request_id"),
  );
}

export const MAX_ATTEMPTS = 3;
const LONGEST_WAIT_MS = 8_000;

/**
 * Milliseconds to wait before attempt `attempt + 1` (attempts count from 1), or null when the call must not be
 * repeated: only what is safe by method or carries its idempotency key is, and only where no verdict was given.
 * `random` is in [0, 1).
 */
export function retryDelayMs(repeatable: boolean, attempt: number, error: ApiError, random: number): number | null {
  if (!repeatable || attempt >= MAX_ATTEMPTS) return null;
  const undecided = error.status === 0 || error.status === 502 || error.status === 503 || error.status === 504;
  if (!undecided) return null;
  if (error.retryAfter !== null) {
    const asked = error.retryAfter * 1000;
    return asked > LONGEST_WAIT_MS ? null : asked;
  }
  return random * Math.min(LONGEST_WAIT_MS, 400 * 2 ** attempt);
}
