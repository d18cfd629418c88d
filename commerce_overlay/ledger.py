"""Double entry: what each event of an order books, and the check that nothing was lost on the way.
Pure: it makes and judges rows; storing them is the service's part, in the transaction that causes them.

Accounts (positive = somebody owes us or we gave, negative = we owe or we earned):

    receivable:<provider>        money the payment provider owes for captured payments
    sales:<seller>               what was sold, negative; the report's gmv_paid is minus its sum, before tax
    and shipping refunds:<seller>             what was given back, positive
    commission_cost:<seller>     commission the seller owes out of a sale
    commission:<payee>           the same seen from who earns it, negative
    late:<seller>                captured for an order that was already cancelled; always returns to zero by
    its refund

Every transaction sums to zero in each currency. Nothing is ever changed or deleted: a correction is a
transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .money import Money


@dataclass(frozen=True, slots=True)
class Entry:
    account: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Transaction:
    """`kind` and `cause` (a payment's or a refund's id) together are unique: nothing is booked twice."""

    kind: str
    cause: str
    order: str
    entries: tuple[Entry, ...]


class Unbalanced(ValueError):
    """A transaction whose entries do not sum to zero: a defect in this program, never a user's doing."""


def paid(
    order: str, payment: str, provider: str, seller: str, payee: str, total: Money, commission: Money
) -> Transaction:
    """A captured payment of an order."""
    entries = [Entry(f"receivable:{provider}", total), Entry(f"sales:{seller}", -total)]
    if commission.minor:
        entries += [Entry(f"commission_cost:{seller}", commission), Entry(f"commission:{payee}", -commission)]
    return _checked("paid", payment, order, entries)


def refunded(
    order: str, refund: str, provider: str, seller: str, payee: str, amount: Money, commission_back: Money
) -> Transaction:
    """A refund, in part or whole, with the share of the commission that goes back with it."""
    entries = [Entry(f"refunds:{seller}", amount), Entry(f"receivable:{provider}", -amount)]
    if commission_back.minor:
        entries += [
            Entry(f"commission:{payee}", commission_back),
            Entry(f"commission_cost:{seller}", -commission_back),
        ]
    return _checked("refunded", refund, order, entries)


def late_paid(order: str, payment: str, provider: str, seller: str, total: Money) -> Transaction:
    """Money captured for an order that had been cancelled: no sale, only something to give back."""
    entries = [Entry(f"receivable:{provider}", total), Entry(f"late:{seller}", -total)]
    return _checked("late_paid", payment, order, entries)


def late_returned(order: str, refund: str, provider: str, seller: str, amount: Money) -> Transaction:
    """The automatic refund that closes a `late_paid`."""
    entries = [Entry(f"late:{seller}", amount), Entry(f"receivable:{provider}", -amount)]
    return _checked("late_returned", refund, order, entries)


def commission_back(commission_minor: int, total_minor: int, refunded_before: int, amount: int) -> int:
    """The commission reversed by a refund: proportional to what has been refunded so far, so that a full
    refund in any number of parts reverses it exactly."""
    before = commission_minor * refunded_before // total_minor
    return commission_minor * (refunded_before + amount) // total_minor - before


def _checked(kind: str, cause: str, order: str, entries: Iterable[Entry]) -> Transaction:
    transaction = Transaction(kind, cause, order, tuple(entries))
    off = unbalanced(transaction.entries)
    if off:
        raise Unbalanced(f"{kind} of {order}: {', '.join(map(str, off))} too much")
    return transaction


def unbalanced(entries: Iterable[Entry]) -> list[Money]:
    """The currencies in which entries do not sum to zero, with the difference."""
    sums: defaultdict[str, int] = defaultdict(int)
    for entry in entries:
        sums[entry.amount.currency] += entry.amount.minor
    return [Money(minor, currency) for currency, minor in sorted(sums.items()) if minor]


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """One order as the orders, payments and refunds tables tell it; amounts in minor units of its
    currency."""

    order: str
    seller: str
    state: str
    currency: str
    total: int
    refunded: int
    reached_paid: bool
    captured: bool
    returned_late: int


@dataclass(frozen=True, slots=True)
class Booked:
    """One stored transaction as read back."""

    id: str
    kind: str
    order: str
    entries: tuple[Entry, ...]


def check(orders: Iterable[OrderFacts], booked: Iterable[Booked]) -> list[str]:
    """Every way in which the ledger and the orders disagree, in words; an empty list is the proof asked for.

    Balanced transactions; each paid order booked once at its total; refunds equal; captured payments = paid
    orders plus late ones; what was captured late was given back in full."""
    problems: list[str] = []
    sales: defaultdict[str, int] = defaultdict(int)
    given_back: defaultdict[str, int] = defaultdict(int)
    late: defaultdict[str, int] = defaultdict(int)
    receivable: defaultdict[str, int] = defaultdict(int)
    known: set[str] = set()
    for transaction in booked:
        for off in unbalanced(transaction.entries):
            problems.append(f"transaction {transaction.id} is out of balance by {off}")
        known.add(transaction.order)
        for entry in transaction.entries:
            kind = entry.account.partition(":")[0]
            side = {"sales": sales, "refunds": given_back, "late": late, "receivable": receivable}.get(kind)
            if side is not None:
                side[transaction.order] += entry.amount.minor
    for facts in orders:
        known.discard(facts.order)
        wanted_sales = facts.total if facts.reached_paid else 0
        if -sales[facts.order] != wanted_sales:
            problems.append(
                f"order {facts.order} ({facts.state}): sales {-sales[facts.order]}, expected {wanted_sales}"
            )
        if given_back[facts.order] != facts.refunded:
            problems.append(
                f"order {facts.order}: refunds {given_back[facts.order]}, expected {facts.refunded}"
            )
        if facts.reached_paid and not facts.captured:
            problems.append(f"order {facts.order} is {facts.state} without a captured payment")
        if facts.captured and not facts.reached_paid:
            if -late[facts.order] != facts.total - facts.returned_late:
                problems.append(
                    f"order {facts.order}: captured late and {-late[facts.order]} still to return"
                )
        elif late[facts.order]:
            problems.append(f"order {facts.order} has late money booked and should not")
        owed = wanted_sales - facts.refunded - late[facts.order]
        if receivable[facts.order] != owed:
            problems.append(f"order {facts.order}: receivable {receivable[facts.order]}, expected {owed}")
    problems.extend(f"the ledger names order {order}, which does not exist" for order in sorted(known))
    return problems
