"""How events of a room reach every node that has members of it: one interface, one choice per deployment."""

from streamserver.bus.interface import Bus, Entry, History, Lane, Sink, Subscription
from streamserver.bus.local import LocalBus

__all__ = ["Bus", "Entry", "History", "Lane", "LocalBus", "Sink", "Subscription"]
