"""A host of its own behind a network of its own: a Linux network namespace, one veth pair, and what goes wrong on it.

The near end of the pair is this machine; the far end is where viewers live. Loss is nftables' on the ingress hook of
the receiving side (on the sending side `sendto` itself would fail), a slow link is `tbf` on the near end. Needs root.
Knows no media.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_PREFIX = "streamserver_"
_BURST_BYTES = 4000
"""Above one packet: `tbf` cuts longer trains (UDP_SEGMENT) into their packets."""


class CommandFailed(Exception):
    """A tool said no; the text is the command and its complaint."""


def why_not() -> str | None:
    """What keeps this machine from having such a host, or None."""
    missing = [name for name in ("ip", "tc", "nft") if shutil.which(name, path=_PATH) is None]
    if missing:
        return f"no {', '.join(missing)} (Debian: iproute2, nftables)"
    probe = f"probe-{os.getpid()}"
    try:
        _run("ip", "netns", "add", probe)
    except CommandFailed as error:
        return f"network namespaces are not permitted here: {error}"
    _run("ip", "netns", "del", probe)
    return None


class Host:
    """The far side. Traffic to `address` can be lost; `clear` is a second address of ours that never loses any."""

    def __init__(self, pid: int, number: int) -> None:
        self.name = f"{_PREFIX}{pid}_{number}"
        self.near = f"ssn{pid}_{number}"
        self.far = f"ssf{pid}_{number}"
        net = f"10.{213 + number % 40}.{pid % 250}"
        self.address, self.clear, self.far_address = f"{net}.1", f"{net}.2", f"{net}.9"

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """For an engine's configuration: a socket on each address of ours, so that an answer comes from where the
        question went, and one for peers on this machine."""
        ours = (self.address, self.clear, "127.0.0.1")
        return {"announce": ours, "bind_hosts": ours}

    def run(self, *command: str) -> str:
        """A command on the far side; its output. Raises CommandFailed."""
        return _run("ip", "netns", "exec", self.name, *command)

    def wrapper(self, executable: str, folder: Path) -> str:
        """A program that is `executable`, started on the far side."""
        path = folder / f"on-{self.name}-{Path(executable).name}"
        path.write_text(f'#!/bin/sh\nexec ip netns exec {self.name} {executable} "$@"\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    def loss(self, percent: float, *, both: bool = False) -> None:
        """Lose this share of the UDP packets from `address`, each by a throw of its own; with `both` also of those
        to it. Zero ends it."""
        self._lose(self.far, "saddr", percent, far=True)
        self._lose(self.near, "daddr", percent if both else 0, far=False)

    def lost(self) -> int:
        """Packets lost so far under the rule that holds now."""
        return sum(map(int, re.findall(r"counter packets (\d+)", self.run("nft", "list", "table", "netdev", "lose"))))

    def _lose(self, device: str, which: str, percent: float, *, far: bool) -> None:
        table = "lose" if far else self.name
        text = f"table netdev {table}\ndelete table netdev {table}\n"
        if percent:
            # Thousandths, so that half a percent can be said.
            text += (
                f"table netdev {table} {{ chain incoming {{ type filter hook ingress device {device} priority 0;\n"
                f"ip {which} {self.address} meta l4proto udp "
                f"numgen random mod 1000 < {round(percent * 10)} counter drop\n"
                "}\n}\n"
            )
        where = ("ip", "netns", "exec", self.name) if far else ()
        _run(*where, "nft", "-f", "-", text=text)

    def rate(self, kbps: int, queue_bytes: int) -> None:
        """The link towards the far side carries this much, with a queue of this length. It may be changed at any time;
        packets that wait go on waiting."""
        _run(
            *("tc", "qdisc", "replace", "dev", self.near, "root", "handle", "1:", "tbf"),
            *("rate", f"{kbps}kbit", "burst", str(_BURST_BYTES), "limit", str(queue_bytes)),
        )

    def backlog(self) -> int:
        """Bytes that wait for the slow link now."""
        shown = _run("tc", "-s", "qdisc", "show", "dev", self.near)
        match = re.search(r"backlog (\d+)(K?)b", shown)
        return 0 if match is None else int(match[1]) * (1024 if match[2] else 1)

    def up(self) -> None:
        _run("ip", "netns", "add", self.name)
        _run("ip", "link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.name)
        # One packet in one frame on the wire, as on a real one: a lost train would be many packets lost at once.
        _run("ip", "link", "set", self.near, "gso_max_segs", "1", "up")
        _run("ip", "addr", "add", f"{self.address}/24", "dev", self.near)
        _run("ip", "addr", "add", f"{self.clear}/24", "dev", self.near)
        self.run("ip", "link", "set", self.far, "gso_max_segs", "1", "up")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "addr", "add", f"{self.far_address}/24", "dev", self.far)

    def down(self) -> None:
        """Everything goes with the namespace and the pair; what was never made is no error."""
        for command in (
            ("nft", "delete", "table", "netdev", self.name),
            ("ip", "link", "del", self.near),
            ("ip", "netns", "del", self.name),
        ):
            subprocess.run(command, capture_output=True, env=_env(), check=False)


_made = count()


def _sweep() -> None:
    """Take away what a test run that was killed has left."""
    for line in _run("ip", "netns", "list").splitlines():
        name = line.split(" ")[0]
        pid, _, number = name.removeprefix(_PREFIX).partition("_")
        if name.startswith(_PREFIX) and number and not Path(f"/proc/{pid}").exists():
            Host(int(pid), int(number)).down()


@contextmanager
def far_host() -> Iterator[Host]:
    """A host for the length of the block. Raises CommandFailed where `why_not` would have said so."""
    _sweep()
    host = Host(os.getpid(), next(_made))
    try:
        host.up()
        yield host
    finally:
        host.down()


def _env() -> dict[str, str]:
    return {**os.environ, "PATH": _PATH, "LC_ALL": "C"}


def _run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=_env(), timeout=20)
    if done.returncode:
        raise CommandFailed(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
