"""The room's life cycle: whatever order events come in, shows and intervals open and close in pairs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamserver.rooms import TRANSITIONS, RoomEvent, RoomLife, decide


@given(st.lists(st.sampled_from(RoomEvent), max_size=60))
def test_shows_and_intervals_nest(events: list[RoomEvent]) -> None:
    state = RoomLife.SCHEDULED
    show = interval = False
    for event in events:
        change = decide(state, event)
        if change.closes_interval:
            assert interval
            interval = False
        if change.closes_show:
            assert show and not interval
            show = False
        if change.opens_show:
            assert not show
            show = True
        if change.opens_interval:
            assert show and not interval
            interval = True
        state = change.state
        assert interval == (state is RoomLife.LIVE)
        assert show == (state in (RoomLife.LIVE, RoomLife.INTERRUPTED))


@given(st.sampled_from(RoomLife))
def test_going_live_always_works_and_ending_always_ends(state: RoomLife) -> None:
    assert decide(state, RoomEvent.PUBLISHER_STARTED).state is RoomLife.LIVE
    assert decide(state, RoomEvent.END_REQUESTED).state is RoomLife.ENDED


def test_every_state_is_reached_and_left() -> None:
    assert set(TRANSITIONS.values()) | {RoomLife.SCHEDULED} == set(RoomLife)
    assert {before for before, _ in TRANSITIONS} == set(RoomLife)
