"""What an operator may choose about a room's report. Pure; knows values only."""

from __future__ import annotations

from msgspec import Struct

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class ReportSettings(Struct, frozen=True, kw_only=True):
    """Every figure of a report depends on these, on its rows, the baselines, the history and the seed alone."""

    attribution_window_ms: int = DAY_MS
    """Greatest age of a click when its order is placed, ms."""
    shown_windows_ms: tuple[int, ...] = (HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS)
    """Attribution windows printed side by side, ms."""
    view_ms: int = 3_000
    """Least playback of a view, ms."""
    long_view_ms: int = 10_000
    """Least playback of a long view, ms."""
    session_gap_ms: int = 1_800_000
    """A pause of this length ends a view, ms."""
    min_buyers: int = 30
    """Fewer buyers than this: no ratio made of orders, buyers or money is printed."""
    resamples: int = 2_000
    """Bootstrap resamples."""
    poisson_from: int = 10_000
    """From this many viewers on the bootstrap is a Poisson bootstrap."""
    trim_share: float = 0.01
    """Share of the largest buyers a trimmed value leaves out, rounded up to whole buyers."""
    target_low: float = 2.0
    """Lower end of the target band: room over baseline."""
    target_high: float = 3.0
    """Upper end of the target band."""
    default_baseline: str = "cn_gmv_per_view"
    """Baseline the viewer reading is judged against."""
    history_rooms: int = 10
    """The brand's own median is taken over at most this many last rooms."""
    history_min_rooms: int = 5
    """With fewer own rooms than this there is no own median."""

    def __post_init__(self) -> None:
        if self.attribution_window_ms <= 0 or any(one <= 0 for one in self.shown_windows_ms):
            raise ValueError("attribution windows must be positive")
        if not 0 < self.target_low <= self.target_high:
            raise ValueError(f"target band {self.target_low}–{self.target_high} does not ascend from above 0")
        if not 0 < self.view_ms <= self.long_view_ms or self.session_gap_ms <= 0:
            raise ValueError("view_ms, long_view_ms and session_gap_ms must be positive, the views ascending")
        if self.min_buyers < 1 or self.resamples < 100 or self.poisson_from < 1:
            raise ValueError("min_buyers and poisson_from must be at least 1, resamples at least 100")
        if not 0 < self.trim_share < 1:
            raise ValueError(f"trim_share {self.trim_share} is not between 0 and 1")
        if not 1 <= self.history_min_rooms <= self.history_rooms:
            raise ValueError("history_min_rooms must be between 1 and history_rooms")
