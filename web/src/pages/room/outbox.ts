// What this viewer wrote and the room has not shown yet. Pure: the page decides when lines come and go.
import type { Line } from "../../generated/wire.js";

export interface Draft {
  readonly key: string;
  readonly text: string;
  readonly replyTo: string | null;
  /** Known once the server acknowledged it; the line itself comes the way everybody's does. */
  readonly line: string | null;
  /** Words for why it was refused. */
  readonly failed: string | null;
}

export const LONGEST = 500;

/** Characters as the server counts them, not UTF-16 units. */
export const lengthOf = (text: string): number => [...text].length;

/** What is worth sending of what was typed, or null. */
export function sendable(typed: string): string | null {
  const text = typed.trim();
  return text === "" || lengthOf(text) > LONGEST ? null : text;
}

export const acked = (drafts: readonly Draft[], key: string, line: string | null): readonly Draft[] =>
  line === null ? drafts.filter((draft) => draft.key !== key) : drafts.map((draft) => (draft.key === key ? { ...draft, line } : draft));

export const refused = (drafts: readonly Draft[], key: string, failed: string): readonly Draft[] =>
  drafts.map((draft) => (draft.key === key ? { ...draft, failed } : draft));

export const dropped = (drafts: readonly Draft[], key: string): readonly Draft[] => drafts.filter((draft) => draft.key !== key);

/** Drafts still to be shown below the room's lines: those whose line has not arrived. */
export function unseen(drafts: readonly Draft[], chat: readonly Line[]): readonly Draft[] {
  if (drafts.length === 0) return drafts;
  const ids = new Set(chat.map((line) => line.id));
  return drafts.filter((draft) => draft.line === null || !ids.has(draft.line));
}

/** Lines that came after `lastId`; all of them where it is not among them. */
export function after(chat: readonly Line[], lastId: string | null): readonly Line[] {
  return chat.slice(chat.findLastIndex((line) => line.id === lastId) + 1);
}
