// The run-sheet as a list of cards: moving one, and taking in what the server says. Pure.

import type { Bag, Card } from "../../api/types.js";

/** `items` with the one at `from` moved to `to`; out-of-range places leave the list as it is. */
export function moved<T>(items: readonly T[], from: number, to: number): T[] {
  const result = [...items];
  if (from < 0 || from >= items.length || to < 0 || to >= items.length || from === to) return result;
  const [item] = result.splice(from, 1);
  if (item !== undefined) result.splice(to, 0, item);
  return result;
}

/** The newer of two bags: frames and answers cross each other, the greater version wins. */
export function newer(known: Bag | null, got: Bag): Bag {
  if (known !== null && known.ver > got.ver) return known;
  return { ver: got.ver, cards: [...got.cards].sort((a, b) => a.position - b.position) };
}

/** The card on screen now, if any. */
export function shown(cards: readonly Card[]): Card | null {
  return cards.find((card) => card.state === "explaining" || card.state === "pinned") ?? null;
}

/** Where a card dropped at `y` belongs, from the middles of the rows, top to bottom. */
export function placeAt(y: number, middles: readonly number[], from: number): number {
  const above = middles.filter((middle, index) => index !== from && middle < y).length;
  return Math.min(middles.length - 1, above);
}
