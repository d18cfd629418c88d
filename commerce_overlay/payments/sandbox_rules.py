"""What the sandbox provider does with a test card: each action as a list of states it passes through.
Pure: storing the steps and telling them by webhook is the sandbox's part. Card numbers do not exist here,
only names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .states import PaymentState

TestCard = Literal["visa", "mastercard", "declined", "no_funds", "expired", "three_d_secure"]

DECLINES: dict[str, str] = {
    "declined": "card_declined",
    "no_funds": "insufficient_funds",
    "expired": "expired_card",
}
CHALLENGE_FAILED = "authentication_failed"

P = PaymentState
_OPEN = frozenset({P.REQUIRES_PAYMENT_METHOD, P.REQUIRES_CONFIRMATION})


class SandboxRefused(ValueError):
    """The action does not fit the payment's state."""


@dataclass(frozen=True, slots=True)
class Step:
    """One state passed through. `attempt` counts confirmations from 1."""

    state: PaymentState
    attempt: int
    failure: str | None = None


def confirm(state: PaymentState, attempt: int, card: str) -> Sequence[Step]:
    """The buyer pressed Pay. Raises SandboxRefused unless the payment waits for a card."""
    if state not in _OPEN:
        raise SandboxRefused(f"a payment that is {state.value} cannot be confirmed")
    now = attempt + 1
    if card in DECLINES:
        return (Step(P.PROCESSING, now), Step(P.REQUIRES_PAYMENT_METHOD, now, DECLINES[card]))
    if card == "three_d_secure":
        return (Step(P.REQUIRES_ACTION, now),)
    return (Step(P.PROCESSING, now), Step(P.SUCCEEDED, now))


def challenge(state: PaymentState, attempt: int, approve: bool) -> Sequence[Step]:
    """The buyer answered the bank's question. Raises SandboxRefused unless one was asked."""
    if state is not P.REQUIRES_ACTION:
        raise SandboxRefused(f"a payment that is {state.value} has no open challenge")
    if approve:
        return (Step(P.PROCESSING, attempt), Step(P.SUCCEEDED, attempt))
    return (Step(P.REQUIRES_PAYMENT_METHOD, attempt, CHALLENGE_FAILED),)


def cancel(state: PaymentState, attempt: int) -> Sequence[Step]:
    """Gives the payment up; nothing happens to one that is final."""
    if state in (P.SUCCEEDED, P.CANCELED):
        return ()
    return (Step(P.CANCELED, attempt),)
