"""News of a payment in any order and number ends in one view; the sandbox only says what the states allow."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from commerce_overlay.payments import sandbox_rules as rules
from commerce_overlay.payments.states import PaymentState, PaymentView, join, normal, result_code

P = PaymentState
views = st.builds(
    PaymentView,
    st.sampled_from(P),
    st.integers(0, 4),
    st.sampled_from((None, "card_declined", "insufficient_funds")),
    st.frozensets(st.tuples(st.sampled_from(("r1", "r2")), st.just(100)), max_size=2),
)


@given(views, views, views)
def test_join_is_a_semilattice(a: PaymentView, b: PaymentView, c: PaymentView) -> None:
    a, b, c = normal(a), normal(b), normal(c)
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a
    assert join(join(a, b), b) == join(a, b)


def test_720_orders_of_a_real_history_end_the_same() -> None:
    history = [
        PaymentView(P.PROCESSING, 1),
        PaymentView(P.REQUIRES_PAYMENT_METHOD, 1, "card_declined"),
        PaymentView(P.REQUIRES_ACTION, 2),
        PaymentView(P.PROCESSING, 2),
        PaymentView(P.SUCCEEDED, 2),
        PaymentView(P.SUCCEEDED, 2, None, frozenset({("r1", 300)})),
    ]
    ends = {reduce(join, order, PaymentView()) for order in permutations(history)}
    assert ends == {PaymentView(P.SUCCEEDED, 2, None, frozenset({("r1", 300)}))}


def test_an_open_history_ends_at_its_latest_news_in_any_order() -> None:
    history = [
        PaymentView(P.PROCESSING, 1),
        PaymentView(P.REQUIRES_PAYMENT_METHOD, 1, "insufficient_funds"),
        PaymentView(P.REQUIRES_ACTION, 2),
        PaymentView(P.REQUIRES_PAYMENT_METHOD, 2, "authentication_failed"),
        PaymentView(P.PROCESSING, 3),
    ]
    ends = {reduce(join, order, PaymentView()) for order in permutations(history)}
    assert ends == {PaymentView(P.PROCESSING, 3)}


def test_money_that_moved_beats_a_cancellation() -> None:
    assert join(PaymentView(P.CANCELED, 1), PaymentView(P.SUCCEEDED, 1)).state is P.SUCCEEDED
    assert join(PaymentView(P.SUCCEEDED, 1), PaymentView(P.CANCELED, 1)).state is P.SUCCEEDED


acts = st.lists(
    st.one_of(
        st.tuples(st.just("confirm"), st.sampled_from(("visa", "mastercard", "three_d_secure", *rules.DECLINES))),
        st.tuples(st.just("challenge"), st.booleans()),
        st.tuples(st.just("cancel"), st.none()),
    ),
    max_size=12,
)


@given(acts)
def test_the_sandbox_never_leaves_a_final_state_and_its_news_always_grow(script: list[tuple[str, object]]) -> None:
    state, attempt = P.REQUIRES_PAYMENT_METHOD, 0
    view = PaymentView()
    for what, how in script:
        final = state in (P.SUCCEEDED, P.CANCELED)
        try:
            if what == "confirm":
                steps = rules.confirm(state, attempt, str(how))
            elif what == "challenge":
                steps = rules.challenge(state, attempt, bool(how))
            else:
                steps = rules.cancel(state, attempt)
        except rules.SandboxRefused:
            continue
        assert not (final and steps)
        for step in steps:
            news = PaymentView(step.state, step.attempt, step.failure)
            assert news.order > view.order  # so whoever joins in any order ends at the last
            view = join(view, news)
            assert view == news
            state, attempt = step.state, step.attempt


def test_result_codes() -> None:
    assert result_code(P.SUCCEEDED, None) == 9000
    assert result_code(P.PROCESSING, None) == 8000
    assert result_code(P.REQUIRES_PAYMENT_METHOD, "card_declined") == 4000
    assert result_code(P.CANCELED, None) == 6001
    assert result_code(P.REQUIRES_ACTION, None) == 6004
