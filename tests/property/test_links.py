"""Click links: what the server signs it accepts, and nothing else - whatever was changed on the way."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commerce_overlay.links import MAX_AHEAD_S, ClickLink, LinkRefused, build, verify

NOW = 1_800_000_000
SECRET = bytes(range(32))
OTHER = bytes(reversed(range(32)))
KEYS = {"k1": SECRET, "k2": OTHER}

links = st.builds(
    ClickLink,
    app_id=st.just("shop"),
    page=st.sampled_from(("product", "order")),
    sku=st.text(min_size=1, max_size=50),
    room=st.text("abcdefghjkmnpqrstvwxyz0123456789", min_size=1, max_size=26),
    click=st.text("abcdefghjkmnpqrstvwxyz0123456789", min_size=26, max_size=26),
    expires_s=st.integers(NOW + 1, NOW + MAX_AHEAD_S),
)
ONE = ClickLink("shop", "product", "TEA & CUPS/1", "demo", "0" * 26, NOW + 3600)


def refusal(text: str, now: int = NOW) -> str | None:
    try:
        verify(text, now, KEYS.get)
    except LinkRefused as refused:
        return refused.code
    return None


@given(links, st.sampled_from(sorted(KEYS)))
def test_a_link_comes_back_as_what_was_signed(link: ClickLink, kid: str) -> None:
    assert verify(build(link, kid, KEYS[kid]), NOW, KEYS.get) == link


@settings(max_examples=2000)
@given(links, st.data())
def test_no_changed_bit_is_accepted(link: ClickLink, data: st.DataObject) -> None:
    text = build(link, "k1", SECRET)
    at = data.draw(st.integers(0, len(text) - 1))
    bit = data.draw(st.integers(0, 6))
    changed = text[:at] + chr(ord(text[at]) ^ (1 << bit)) + text[at + 1 :]
    assert refusal(changed) == "bad_signature"


@settings(max_examples=500)
@given(links, st.data())
def test_nothing_cut_inserted_or_swapped_is_accepted(link: ClickLink, data: st.DataObject) -> None:
    text = build(link, "k1", SECRET)
    at = data.draw(st.integers(0, len(text) - 1))
    extra = data.draw(st.sampled_from(("a", "&", "=", "%20", "&clk=x", "&price=1", "?", "#")))
    for changed in (text[:at], text[:at] + text[at + 1 :], text[:at] + extra + text[at:]):
        assert refusal(changed) == "bad_signature"


@given(st.text(max_size=300))
def test_no_text_at_all_makes_it_fail_otherwise(text: str) -> None:
    assert refusal(text) == "bad_signature"


def test_the_order_of_the_query_does_not_matter_but_its_spelling_does() -> None:
    path, query = build(ONE, "k1", SECRET).split("?")
    pairs = query.split("&")
    assert refusal(path + "?" + "&".join(reversed(pairs))) is None
    assert refusal(f"{path}?{query}".replace("%2F", "%2f")) == "bad_signature"
    assert refusal(f"{path}?{query}&{pairs[0]}") == "bad_signature"


def test_expiry() -> None:
    text = build(ONE, "k1", SECRET)
    assert refusal(text, ONE.expires_s - 1) is None
    assert refusal(text, ONE.expires_s) == "click_expired"
    forged = text.replace(str(ONE.expires_s), str(ONE.expires_s + 10**6))
    assert refusal(forged, ONE.expires_s) == "bad_signature"
    far = ClickLink("shop", "product", "x", "demo", "0" * 26, NOW + MAX_AHEAD_S + 61)
    assert refusal(build(far, "k1", SECRET)) == "bad_signature"


@pytest.mark.parametrize("kid", ["k3", "", "../k1", "k1%00"])
def test_a_key_that_is_not_ours_signs_nothing(kid: str) -> None:
    assert refusal(build(ONE, kid, SECRET)) == "bad_signature"


def test_a_key_signs_only_under_its_own_name() -> None:
    assert refusal(build(ONE, "k2", SECRET)) == "bad_signature"


def test_another_page_or_app_is_another_link() -> None:
    text = build(ONE, "k1", SECRET)
    assert refusal(text.replace("/m/shop/product", "/m/shop/order")) == "bad_signature"
    assert refusal(text.replace("/m/shop/", "/m/bank/")) == "bad_signature"
