"""Counting failures per key in a sliding window. Pure: the time (monotonic seconds) is an argument."""

from __future__ import annotations

from collections import OrderedDict, deque


class AttemptLimit:
    """At most `most` failures per key in `window_s`; remembers `keys` keys (policy: forget the oldest)."""

    def __init__(self, *, most: int, window_s: float, keys: int) -> None:
        self._most = most
        self._window_s = window_s
        self._keys = keys
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def failed(self, key: str, now: float) -> None:
        times = self._failures.pop(key, None) or deque(maxlen=self._most)
        times.append(now)
        self._failures[key] = times
        if len(self._failures) > self._keys:
            self._failures.popitem(last=False)

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until the key may try again; 0 when it may now."""
        times = self._failures.get(key)
        if times is None or len(times) < self._most:
            return 0.0
        return max(0.0, times[0] + self._window_s - now)
