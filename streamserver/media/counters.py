"""What the aiortc engine counts, and how a snapshot of it is written. Knows no packets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streamserver.media import fanout


@dataclass(slots=True)
class MediaCounters:
    """Totals since the start. `drops` by reason, `sessions` by role and outcome, `join_s` by phase."""

    received: Counter[str] = field(default_factory=Counter[str])
    received_bytes: Counter[str] = field(default_factory=Counter[str])
    drops: Counter[str] = field(default_factory=Counter[str])
    nacks_sent: int = 0
    nacked: int = 0
    keyframes_wanted: int = 0
    keyframes_asked: int = 0
    retransmitted: Counter[str] = field(default_factory=Counter[str])
    sessions: Counter[str] = field(default_factory=Counter[str])
    ended: Counter[str] = field(default_factory=Counter[str])
    join_s: dict[str, float] = field(default_factory=lambda: {"negotiate": 0.0, "handshake": 0.0})
    joins: int = 0

    def snapshot(self, out: fanout.Counters) -> dict[str, float]:
        """Flat names as they are exported, without the project's prefix."""
        flat: dict[str, float] = {
            "media_sent_packets_total": out.packets,
            "media_sent_bytes_total": out.bytes,
            "media_sent_trains_total": out.trains,
            "media_nacked_packets_total": self.nacks_sent,
            "media_viewer_nacked_packets_total": self.nacked,
            "media_keyframes_wanted_total": self.keyframes_wanted,
            "media_keyframes_asked_total": self.keyframes_asked,
            "media_joins_total": self.joins,
        }
        drops = Counter(self.drops)
        drops.update(srtp_refused=out.refused, socket_full=out.full, fanout_late=out.late)
        for name, label, counter in (
            ("media_received_packets_total", "kind", self.received),
            ("media_received_bytes_total", "kind", self.received_bytes),
            ("media_dropped_packets_total", "reason", drops),
            ("media_retransmissions_total", "result", self.retransmitted),
            ("media_sessions_total", "role", self.sessions),
            ("media_sessions_ended_total", "reason", self.ended),
            ("media_join_seconds_total", "phase", self.join_s),
        ):
            for key, value in sorted(counter.items()):
                flat[f'{name}{{{label}="{key}"}}'] = value
        return flat
