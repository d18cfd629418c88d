"""What every payment provider must guarantee; the contract suite in tests/contract/test_payment_provider.py
says it in code. Knows no provider, no SQL and no HTTP route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from ..money import Money
from .states import PaymentState


class ProviderError(Exception):
    """The provider could not be asked or did not answer in time: the outcome is unknown, asking again is
    safe."""


class ProviderRefused(Exception):
    """The provider said no, and will say so again. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class BadWebhook(ValueError):
    """A webhook that is not authentic, too old, or not understood. `code`: `bad_signature`, `stale`,
    `bad_event`."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """What is asked for. `trade_no` is our payment id and the provider's idempotency key."""

    trade_no: str
    amount: Money
    merchant: str
    description: str


@dataclass(frozen=True, slots=True)
class RefundNews:
    """A refund the provider made; `key` is the refund id we asked with."""

    key: str
    amount: Money


@dataclass(frozen=True, slots=True)
class PaymentNews:
    """The state of one payment as the provider saw it at some moment, and the refunds made by then."""

    trade_no: str
    ref: str
    state: PaymentState
    attempt: int
    failure: str | None
    amount: Money
    refunds: tuple[RefundNews, ...] = ()


@dataclass(frozen=True, slots=True)
class Webhook:
    """An authentic webhook. `id` is the same for every delivery of one event."""

    id: str
    news: PaymentNews


class PaymentProvider(Protocol):
    """Guarantees
    - `create` with the same trade number answers the same reference and never a second payment; another
    amount for
      the same number is refused.
    - `refund` with the same key gives the money back once, whoever asks how often; it never exceeds what was
    captured.
    - `cancel` is final unless the money has moved: afterwards `retrieve` says `canceled` or `succeeded`, for
    good.
    - Every change of state is told by a webhook at least once, late, repeated or out of order as it may be;
      `retrieve` tells the same when asked.
    - All methods finish within their time limit or raise ProviderError. None of them sees a card number.
    """

    name: str
    presentation: Literal["embed", "redirect"]

    async def create(self, intent: PaymentIntent) -> str:
        """The provider's reference. Raises ProviderError, ProviderRefused."""
        ...

    def page_url(self, ref: str) -> str:
        """Where the buyer pays: the provider's hosted page."""
        ...

    async def retrieve(self, ref: str) -> PaymentNews:
        """Raises ProviderError, ProviderRefused `unknown_payment`."""
        ...

    async def cancel(self, ref: str) -> PaymentNews:
        """Gives up a payment that has not succeeded; answers how it stands then."""
        ...

    async def refund(self, ref: str, key: str, amount: Money) -> PaymentNews:
        """Raises ProviderError, ProviderRefused `refund_too_large` or `not_captured`."""
        ...

    def webhook(self, headers: Mapping[str, str], body: bytes, now_s: int) -> Webhook:
        """Judges a delivery. Raises BadWebhook; then nothing may be changed."""
        ...
