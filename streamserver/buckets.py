"""Token buckets: how often something may happen. Pure: the time (monotonic seconds) is an argument."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then `per_s` a second."""

    burst: float
    per_s: float

    def __post_init__(self) -> None:
        if self.burst < 1 or self.per_s <= 0:
            raise ValueError(f"a rate needs a burst of at least 1 and more than 0 per second, not {self}")


class Bucket:
    """Invariant: 0 <= tokens <= burst, and tokens grow by `per_s` a second."""

    __slots__ = ("_at", "_tokens", "rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self.rate = rate
        self._tokens = rate.burst
        self._at = now

    def take(self, now: float, cost: float = 1.0) -> float:
        """0 and `cost` tokens fewer, or the seconds until they are there and nothing taken."""
        self._fill(now)
        if self._tokens >= cost:
            self._tokens -= cost
            return 0.0
        return (cost - self._tokens) / self.rate.per_s

    def empty(self) -> bool:
        """Whether the next `take` of one would have to wait."""
        return self._tokens < 1.0

    def give_back(self, cost: float = 1.0) -> None:
        """Undoes a `take` whose purpose failed for another reason."""
        self._tokens = min(self.rate.burst, self._tokens + cost)

    def full(self, now: float) -> bool:
        self._fill(now)
        return self._tokens >= self.rate.burst

    def _fill(self, now: float) -> None:
        # A clock that stepped back adds nothing and takes nothing away.
        self._tokens = min(self.rate.burst, self._tokens + max(0.0, now - self._at) * self.rate.per_s)
        self._at = now


class Buckets(Generic[K]):
    """A bucket per key, at most `keys` of them (policy: the one least recently used starts anew)."""

    def __init__(self, rate: Rate, keys: int) -> None:
        self._rate = rate
        self._keys = keys
        self._buckets: OrderedDict[K, Bucket] = OrderedDict()

    def of(self, key: K, now: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate, now)
            if len(self._buckets) > self._keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket

    def __len__(self) -> int:
        return len(self._buckets)
