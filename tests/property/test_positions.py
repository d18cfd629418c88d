"""What can be recovered: exactly the positions from which nothing is missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streamserver.positions import Position, recoverable

OFFSETS = st.integers(0, 30)


@given(asked=OFFSETS, first_kept=st.integers(1, 31), newest=OFFSETS, same=st.booleans())
def test_recoverable_means_that_every_later_event_is_kept(asked: int, first_kept: int, newest: int, same: bool) -> None:
    first_kept = min(first_kept, newest + 1)
    kept = set(range(first_kept, newest + 1))
    missed = set(range(asked + 1, newest + 1))
    told = recoverable(Position("e" if same else "other", asked), first_kept, Position("e", newest))
    assert told == (same and asked <= newest and missed <= kept)


@given(offset=OFFSETS, other=OFFSETS)
def test_a_position_follows_only_within_its_epoch(offset: int, other: int) -> None:
    here, there = Position("e", offset), Position("e", other)
    assert here.follows(there) == (offset > other)
    assert not here.follows(Position("f", other))
    assert here.next().follows(here)
