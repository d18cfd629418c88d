"""The card machine under random actions, against what the glossary promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.cards import (
    ON_SCREEN,
    TRANSITIONS,
    CardAction,
    CardRefused,
    CardRow,
    CardState,
    act,
    on_screen,
    reorder,
)

actions = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(CardAction)), max_size=60)


def fresh(count: int = 5) -> list[CardRow]:
    return [CardRow(f"c{i}", CardState.LISTED, None, i) for i in range(count)]


@given(actions)
def test_one_card_on_screen_and_showings_that_match(script: list[tuple[int, CardAction]]) -> None:
    cards = fresh()
    open_showings: dict[str, str] = {}
    for step, (which, action) in enumerate(script):
        card_id = f"c{which}"
        before = next(card for card in cards if card.id == card_id)
        try:
            cards, changes = act(cards, card_id, action, f"s{step}")
        except CardRefused as refused:
            assert (before.state, action) not in TRANSITIONS or before.state is CardState.REMOVED
            assert refused.code in ("bad_transition", "no_card")
            continue
        assert TRANSITIONS[before.state, action] is next(card for card in cards if card.id == card_id).state
        for change in changes:
            if change.ended is not None:
                assert open_showings.pop(change.card) == change.ended
            if change.began is not None:
                assert change.card not in open_showings
                open_showings[change.card] = change.began
        assert sum(card.state in ON_SCREEN for card in cards) <= 1
        assert open_showings == {card.id: card.showing for card in cards if card.state in ON_SCREEN}
        assert all((card.showing is not None) == (card.state in ON_SCREEN) for card in cards)


def test_pinning_another_unpins_the_first() -> None:
    cards, _ = act(fresh(), "c0", CardAction.PIN, "s1")
    cards, changes = act(cards, "c1", CardAction.EXPLAIN, "s2")
    shown = on_screen(cards)
    assert shown is not None and (shown.id, shown.state, shown.showing) == ("c1", CardState.EXPLAINING, "s2")
    assert [(change.card, change.after.value, change.ended, change.began) for change in changes] == [
        ("c0", "listed", "s1", None),
        ("c1", "explaining", None, "s2"),
    ]


def test_pin_then_explain_is_one_showing() -> None:
    cards, _ = act(fresh(), "c0", CardAction.PIN, "s1")
    cards, changes = act(cards, "c0", CardAction.EXPLAIN, "s2")
    assert changes[0].began is None and changes[0].ended is None
    shown = on_screen(cards)
    assert shown is not None and shown.showing == "s1"


def test_removed_is_final() -> None:
    assert not any(before is CardState.REMOVED for before, _ in TRANSITIONS)
    reachable = {CardState.LISTED}
    for _ in CardState:
        reachable |= {after for (before, _), after in TRANSITIONS.items() if before in reachable}
    assert reachable == set(CardState)


@given(st.permutations(range(5)), st.integers(0, 5))
def test_reordering_keeps_every_card_once(order: list[int], named: int) -> None:
    wanted = [f"c{i}" for i in order[:named]]
    after = reorder(fresh(), wanted)
    assert [card.id for card in after][:named] == wanted
    assert sorted(card.id for card in after) == [f"c{i}" for i in range(5)]
    assert [card.position for card in after] == list(range(5))
    rest = [card.id for card in after][named:]
    assert rest == sorted(rest)


@pytest.mark.parametrize(("wanted", "code"), [(["c1", "c1"], "bad_field"), (["nobody"], "no_card")])
def test_a_run_sheet_names_each_card_once(wanted: list[str], code: str) -> None:
    with pytest.raises(CardRefused) as caught:
        reorder(fresh(), wanted)
    assert caught.value.code == code
