"""The life of a product card in a room: which action is allowed in which state, and what else it moves.
Pure: it knows neither products and prices nor who may press the button; the service asks it and saves the
answer.

    listed --pin--> pinned --explain--> explaining --pin--> pinned --unpin--> listed
    listed --hide--> hidden --list--> listed
    any of them --remove--> removed, which is final.

At most one card of a room is pinned or explaining. A showing lasts from the first of these states until the
card leaves them, so pin -> explain -> unpin is one showing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class CardState(StrEnum):
    LISTED = "listed"
    PINNED = "pinned"
    EXPLAINING = "explaining"
    HIDDEN = "hidden"
    REMOVED = "removed"


class CardAction(StrEnum):
    PIN = "pin"
    EXPLAIN = "explain"
    UNPIN = "unpin"
    HIDE = "hide"
    LIST = "list"
    REMOVE = "remove"


S, A = CardState, CardAction

# The whole machine; a pair that is not here is refused.
TRANSITIONS: dict[tuple[CardState, CardAction], CardState] = {
    (S.LISTED, A.PIN): S.PINNED,
    (S.LISTED, A.EXPLAIN): S.EXPLAINING,
    (S.LISTED, A.HIDE): S.HIDDEN,
    (S.LISTED, A.REMOVE): S.REMOVED,
    (S.PINNED, A.EXPLAIN): S.EXPLAINING,
    (S.PINNED, A.UNPIN): S.LISTED,
    (S.PINNED, A.HIDE): S.HIDDEN,
    (S.PINNED, A.REMOVE): S.REMOVED,
    (S.EXPLAINING, A.PIN): S.PINNED,
    (S.EXPLAINING, A.UNPIN): S.LISTED,
    (S.EXPLAINING, A.HIDE): S.HIDDEN,
    (S.EXPLAINING, A.REMOVE): S.REMOVED,
    (S.HIDDEN, A.LIST): S.LISTED,
    (S.HIDDEN, A.REMOVE): S.REMOVED,
}

ON_SCREEN = frozenset({S.PINNED, S.EXPLAINING})


class CardRefused(ValueError):
    """The action is not allowed: `code` is `bad_transition` or `no_card`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class CardRow:
    """What the machine needs of a card. `showing` is set exactly while the card is on screen."""

    id: str
    state: CardState
    showing: str | None
    position: int


@dataclass(frozen=True, slots=True)
class CardChanged:
    """One card went from one state to another; `ended` and `began` name the showings this closes and
    opens."""

    card: str
    action: CardAction
    before: CardState
    after: CardState
    ended: str | None
    began: str | None


def on_screen(cards: Iterable[CardRow]) -> CardRow | None:
    """The room's pinned or explaining card."""
    return next((card for card in cards if card.state in ON_SCREEN), None)


def act(
    cards: Sequence[CardRow], card_id: str, action: CardAction, new_showing: str
) -> tuple[list[CardRow], list[CardChanged]]:
    """Applies one action and whatever it entails: showing a card takes the one before it off the screen.

    `new_showing` is the id a showing gets if one begins. Raises CardRefused; then nothing has changed."""
    target = next((card for card in cards if card.id == card_id), None)
    if target is None or target.state is S.REMOVED:
        raise CardRefused("no_card", f"the room has no card {card_id}")
    after = TRANSITIONS.get((target.state, action))
    if after is None:
        raise CardRefused("bad_transition", f"a card that is {target.state.value} cannot {action.value}")
    changed: dict[str, CardRow] = {}
    changes: list[CardChanged] = []
    if after in ON_SCREEN:
        for other in cards:
            if other.id != card_id and other.state in ON_SCREEN:
                changes.append(CardChanged(other.id, A.UNPIN, other.state, S.LISTED, other.showing, None))
                changed[other.id] = replace(other, state=S.LISTED, showing=None)
    stays = target.state in ON_SCREEN and after in ON_SCREEN
    began = new_showing if after in ON_SCREEN and not stays else None
    ended = target.showing if not stays else None
    showing = target.showing if stays else began
    changed[card_id] = replace(target, state=after, showing=showing)
    changes.append(CardChanged(card_id, action, target.state, after, ended, began))
    return [changed.get(card.id, card) for card in cards], changes


def reorder(cards: Sequence[CardRow], wanted: Sequence[str]) -> list[CardRow]:
    """Puts the named cards first, in that order; the others follow as they were. Positions count from 0.

    Raises CardRefused `no_card` for an id that is not in the room, `bad_field` for one named twice."""
    known = {card.id: card for card in cards if card.state is not S.REMOVED}
    if len(set(wanted)) != len(wanted):
        raise CardRefused("bad_field", "a card is named twice")
    for card_id in wanted:
        if card_id not in known:
            raise CardRefused("no_card", f"the room has no card {card_id}")
    named = set(wanted)
    rest = sorted((card for card in known.values() if card.id not in named), key=lambda card: card.position)
    return [replace(card, position=i) for i, card in enumerate([*(known[i] for i in wanted), *rest])]
