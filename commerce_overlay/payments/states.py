"""What is known of a payment, and how news of it is merged whatever its order.
Pure: no clock, no signature, no SQL. The same fold serves webhooks, answers to our own questions and
reconciliation.

    requires_payment_method -> requires_confirmation -> requires_action -> processing -> succeeded | canceled

A declined attempt goes back to `requires_payment_method` with its failure, so states alone do not grow. What
grows is (how final, attempt, stage): `join` keeps the greater, which makes it commutative, associative and
idempotent - any order of arrival, with any repeats, ends in the same view. `succeeded` beats everything:
money that moved, moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class PaymentState(StrEnum):
    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


P = PaymentState

_STAGE = {P.REQUIRES_PAYMENT_METHOD: 0, P.REQUIRES_CONFIRMATION: 1, P.REQUIRES_ACTION: 2, P.PROCESSING: 3}
_DECLINED = 4  # back at requires_payment_method, but after everything else of the same attempt
_FINAL = {P.CANCELED: 1, P.SUCCEEDED: 2}


@dataclass(frozen=True, slots=True)
class PaymentView:
    """`attempt` counts the provider's tries to collect, from 0 before the first; `failure` is why the last
    declined.

    `refunds` maps a refund's id to the minor units that were given back."""

    state: PaymentState = P.REQUIRES_PAYMENT_METHOD
    attempt: int = 0
    failure: str | None = None
    refunds: frozenset[tuple[str, int]] = field(default_factory=frozenset)

    @property
    def order(self) -> tuple[int, int, int, str]:
        """What `join` compares; total, so that two views with the same key are the same."""
        final = _FINAL.get(self.state, 0)
        declined = self.state is P.REQUIRES_PAYMENT_METHOD and self.failure is not None
        stage = _DECLINED if declined else _STAGE.get(self.state, 5)
        return (final, 0 if final else self.attempt, 0 if final else stage, self.failure or "")


def join(known: PaymentView, news: PaymentView) -> PaymentView:
    """The view after some news, old or new. A refund implies a captured payment, so it cannot come too
    early."""
    refunds = known.refunds | news.refunds
    top = known if known.order >= news.order else news
    state = P.SUCCEEDED if refunds else top.state
    final = state in _FINAL
    return PaymentView(
        state=state,
        attempt=max(known.attempt, news.attempt),
        failure=None if final else top.failure,
        refunds=refunds,
    )


def normal(view: PaymentView) -> PaymentView:
    """A view as `join` leaves it: `join(x, x)`."""
    return join(view, view)


Result = Literal[9000, 8000, 4000, 6001, 6004]


def result_code(state: PaymentState, failure: str | None) -> Result:
    """What `my.tradePay` resolves with: 9000 paid, 8000 processing, 4000 failed, 6001 cancelled, 6004
    unknown."""
    match state:
        case P.SUCCEEDED:
            return 9000
        case P.PROCESSING:
            return 8000
        case P.CANCELED:
            return 6001
        case _:
            return 4000 if failure is not None else 6004
