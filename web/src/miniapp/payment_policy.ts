// What the host tells a mini-app about a payment. Pure. The server's answer decides; the provider's page and
// the buyer's closing of it only say when to ask.
import { RESULT, type ResultCode } from "./bridge.js";

export interface Asked {
  readonly state: string;
  readonly result: number;
}

/** The result while the payment page is open: null means keep it open. */
export function whileOpen(asked: Asked): ResultCode | null {
  if (asked.result === RESULT.paid) return RESULT.paid;
  if (asked.state === "canceled") return RESULT.cancelled;
  // A declined card can be followed by another one, so the page stays.
  return null;
}

/** The result when the buyer has closed the page; `asked` is null when the server could not be asked. */
export function onClose(asked: Asked | null): ResultCode {
  if (asked === null) return RESULT.unknown;
  if (asked.result === RESULT.paid) return RESULT.paid;
  if (asked.result === RESULT.processing || asked.state === "processing") return RESULT.processing;
  return RESULT.cancelled;
}

/** Milliseconds before the server is asked again: quick while the buyer may be finishing, slower later. */
export function askAgainMs(asksSoFar: number): number {
  return asksSoFar < 30 ? 2_000 : 5_000;
}
