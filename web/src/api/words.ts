// What a failed call says to a person, and which field of a form it points at.
// Knows the catalogue; the call itself it does not.

import { tc } from "../i18n/common.js";
import { errorText } from "../i18n/errors.js";
import { ApiError, NETWORK, TIMEOUT } from "./errors.js";

export function words(error: unknown, own?: (code: string) => string | undefined): string {
  if (error instanceof ApiError && error.status === 0) {
    if (error.code === NETWORK) return tc("err.network");
    if (error.code === TIMEOUT) return tc("err.timeout");
  }
  return errorText(error, own);
}

/** The form field an error names (`lines[0].quantity` → `lines`), when it is one of `fields`. */
export function fieldOf<F extends string>(error: unknown, fields: readonly F[]): F | null {
  if (!(error instanceof ApiError) || error.where === null) return null;
  const name = error.where.replace(/^body\./, "").split(/[.[]/)[0];
  return fields.find((field) => field === name) ?? null;
}
