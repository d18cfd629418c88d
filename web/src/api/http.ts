// One HTTP call to our own server: JSON in and out, a time limit, problem+json as ApiError.
// Knows no route; those are in client.ts.

import { ApiError, NETWORK, TIMEOUT, problemFrom, retryAfterSeconds, retryDelayMs } from "./errors.js";

export interface Call {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, with `type` as its content type (FormData brings its own). */
  readonly body?: BodyInit;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Makes an unsafe call repeatable. */
  readonly idempotencyKey?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT_MS = 15_000;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function attempt(path: string, call: Call): Promise<Response> {
  const headers = new Headers(call.headers);
  headers.set("accept", "application/json, application/problem+json");
  let body = call.body ?? null;
  if (call.json !== undefined) {
    headers.set("content-type", "application/json");
    body = JSON.stringify(call.json);
  } else if (call.type !== undefined) {
    headers.set("content-type", call.type);
  }
  if (call.idempotencyKey !== undefined) headers.set("idempotency-key", call.idempotencyKey);
  const limit = AbortSignal.timeout(call.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const signal = call.signal === undefined ? limit : AbortSignal.any([limit, call.signal]);
  try {
    const response = await fetch(path, { method: call.method ?? "GET", headers, body, signal });
    if (response.ok) return response;
    const wait = retryAfterSeconds(response.headers.get("retry-after"), Date.now());
    throw problemFrom(response.status, await response.text(), wait);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    // The caller went away: that is no failure of the server's, so it keeps its own name.
    if (call.signal?.aborted === true) throw error;
    if (limit.aborted) throw new ApiError(0, TIMEOUT, `no answer to ${path} in time`);
    throw new ApiError(0, NETWORK, error instanceof Error ? error.message : String(error));
  }
}

async function answer(path: string, call: Call): Promise<Response> {
  const method = call.method ?? "GET";
  const repeatable = method === "GET" || call.idempotencyKey !== undefined;
  for (let count = 1; ; count += 1) {
    try {
      return await attempt(path, call);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const wait = retryDelayMs(repeatable, count, error, Math.random());
      if (wait === null) throw error;
      await pause(wait);
    }
  }
}

/** The JSON answer, trusted to have the shape the protocol names; throws ApiError. */
export async function callJson<T>(path: string, call: Call = {}): Promise<T> {
  const response = await answer(path, call);
  try {
    return (await response.json()) as T;
  } catch {
    throw problemFrom(response.status, "", null);
  }
}

/** For answers without a body; throws ApiError. */
export async function callEmpty(path: string, call: Call = {}): Promise<void> {
  await answer(path, call);
}

/** `path` with those members of `query` that are set and not empty. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | undefined>>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") params.set(name, String(value));
  }
  const text = params.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** A fresh Idempotency-Key; keep it for every repetition of the same intent. */
export function newIdempotencyKey(): string {
  // randomUUID exists only in secure contexts; a studio on a plain-http LAN address still needs keys.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
