"""Signed bearers: only what we signed passes, for what it was signed."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from streamserver.ids import RoomId, decode_secret, encode_secret, new_id, time_of
from streamserver.limits import AttemptLimit
from streamserver.tokens import check_publish_token, check_viewer_token, publish_token, viewer_id, viewer_token

SECRET = b"s" * 32
keys = st.binary(min_size=32, max_size=32)


@given(st.binary(min_size=16, max_size=32), keys)
def test_a_viewer_token_passes_with_its_key_only(rand: bytes, other: bytes) -> None:
    token = viewer_token(SECRET, rand)
    assert check_viewer_token(SECRET, token)
    assert check_viewer_token(other, token) == (other == SECRET)


@given(st.text(max_size=200))
@example("a.\udcff")  # as a header's bytes that are not UTF-8 arrive
@example("p1.9999999999999.\udcff")
def test_made_up_tokens_fail(text: str) -> None:
    assert not check_viewer_token(SECRET, text)
    assert not check_publish_token(SECRET, RoomId("r"), text, 0)


@given(st.data(), st.integers(1, 10**13))
def test_a_changed_publish_token_fails(data: st.DataObject, expires: int) -> None:
    token = publish_token(SECRET, RoomId("r"), expires)
    assert check_publish_token(SECRET, RoomId("r"), token, expires - 1)
    assert not check_publish_token(SECRET, RoomId("r"), token, expires)
    assert not check_publish_token(SECRET, RoomId("other"), token, expires - 1)
    at = data.draw(st.integers(0, len(token) - 1))
    char = data.draw(st.characters(codec="ascii").filter(lambda c: c != token[at]))
    assert not check_publish_token(SECRET, RoomId("r"), token[:at] + char + token[at + 1 :], expires - 1)


def test_a_viewer_is_another_one_in_each_room() -> None:
    token = viewer_token(SECRET, b"r" * 18)
    names = {viewer_id(SECRET, token, RoomId(room)) for room in "abc"}
    assert len(names) == 3
    assert viewer_id(SECRET, token, RoomId("a")) in names


@given(st.binary(max_size=64))
def test_secrets_round_trip(raw: bytes) -> None:
    assert decode_secret(encode_secret(raw)) == raw


@given(st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 48) - 1), st.binary(min_size=10, max_size=10))
def test_ids_sort_by_time(a: int, b: int, rand: bytes) -> None:
    assert time_of(new_id(a, rand)) == a
    assert (new_id(a, rand) < new_id(b, rand)) == (a < b)
    assert len(new_id(a, rand)) == 26


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 20)), max_size=60))
def test_attempts_are_limited_by_a_sliding_window(gaps: list[tuple[str, float]]) -> None:
    limit = AttemptLimit(most=3, window_s=10, keys=10)
    now, failures = 0.0, {"a": [], "b": []}  # type: ignore[var-annotated]
    for key, gap in gaps:
        now += gap
        recent = [at for at in failures[key][-3:] if at + 10 > now]
        assert (limit.wait_s(key, now) > 0) == (len(recent) == 3)
        if limit.wait_s(key, now) == 0:
            limit.failed(key, now)
            failures[key].append(now)
