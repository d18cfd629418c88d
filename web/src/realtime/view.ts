// What a page knows of a room, folded from the server's frames. Pure: no socket, no clock, no DOM.
// Resuming after a lost connection must neither lose nor repeat: events carry positions, lines carry ids,
// cards carry a version, counts are totals.
import type {
  AnyServerFrame, Bought, Card, Line, NumbersFrame, Position, RoomState, WelcomeFrame,
} from "../generated/wire.js";

export interface RoomView {
  readonly pos: Position | null;
  readonly room: RoomState | null;
  readonly you: WelcomeFrame["you"] | null;
  readonly token: string | null;
  readonly chat: readonly Line[];
  readonly pinnedLine: Line | null;
  readonly likes: number;
  readonly viewers: number;
  readonly cards: readonly Card[];
  readonly pinned: string | null;
  readonly cardsVer: number;
  /** The latest purchases, newest last, each once. */
  readonly bought: readonly Bought[];
  readonly numbers: NumbersFrame | null;
}

export const EMPTY_VIEW: RoomView = {
  pos: null, room: null, you: null, token: null, chat: [], pinnedLine: null, likes: 0, viewers: 0,
  cards: [], pinned: null, cardsVer: -1, bought: [], numbers: null,
};

/** Lines a page keeps; older ones fall out. */
export const CHAT_KEPT = 200;
const BOUGHT_KEPT = 20;

/** Whether the event at `pos` is already part of what is known at `known`. */
export function isKnown(pos: Position, known: Position | null): boolean {
  return known !== null && pos[0] === known[0] && pos[1] <= known[1];
}

function withLines(chat: readonly Line[], added: readonly Line[]): readonly Line[] {
  const ids = new Set(chat.map((line) => line.id));
  const fresh = added.filter((line) => !ids.has(line.id) && ids.add(line.id));
  return fresh.length === 0 ? chat : [...chat, ...fresh].slice(-CHAT_KEPT);
}

function afterWelcome(view: RoomView, frame: WelcomeFrame): RoomView {
  const base: RoomView = { ...view, pos: frame.pos, room: frame.room, you: frame.you, token: frame.token };
  if (frame.recovered || frame.state === null) return base;
  const { chat, pinned_line, likes, viewers, cards } = frame.state;
  return {
    ...base,
    chat: chat.slice(-CHAT_KEPT),
    pinnedLine: pinned_line,
    likes,
    viewers,
    cards: cards.cards,
    pinned: cards.pinned,
    cardsVer: cards.ver,
  };
}

/** The view after `frame`; the same object when nothing changed. */
export function reduce(view: RoomView, frame: AnyServerFrame): RoomView {
  if (frame.t === "welcome") return afterWelcome(view, frame);
  if (frame.t === "numbers") return { ...view, numbers: frame };
  if (frame.t !== "tick" && frame.t !== "cards" && frame.t !== "room" && frame.t !== "pinned_line") return view;
  if (frame.pos !== undefined && isKnown(frame.pos, view.pos)) return view;
  const pos = frame.pos ?? view.pos;
  switch (frame.t) {
    case "tick": {
      let chat = frame.chat ? withLines(view.chat, frame.chat) : view.chat;
      let pinnedLine = view.pinnedLine;
      if (frame.deleted && frame.deleted.length > 0) {
        const gone = new Set(frame.deleted);
        chat = chat.filter((line) => !gone.has(line.id));
        if (pinnedLine && gone.has(pinnedLine.id)) pinnedLine = null;
      }
      return {
        ...view, pos, chat, pinnedLine,
        likes: frame.likes ?? view.likes,
        viewers: frame.viewers ?? view.viewers,
        bought: frame.bought ? [...view.bought, ...frame.bought].slice(-BOUGHT_KEPT) : view.bought,
      };
    }
    case "cards":
      // A late frame of an older version must not bring a sold card back; its position still counts.
      if (frame.ver < view.cardsVer) return { ...view, pos };
      return { ...view, pos, cards: frame.cards, pinned: frame.pinned, cardsVer: frame.ver };
    case "room":
      return { ...view, pos, room: frame.room };
    case "pinned_line":
      return { ...view, pos, pinnedLine: frame.line };
  }
}

/** The card to show over the picture: the pinned or explained one. */
export function shownCard(view: RoomView): Card | null {
  if (view.pinned === null) return null;
  return view.cards.find((card) => card.id === view.pinned) ?? null;
}
