"""Finds what would stop a viewer on this machine, before one comes: `./run doctor [--json]`.

It reads settings and tries things for real (binds, writes, sends to itself) and leaves nothing behind. It
knows nothing of the running server but its addresses; a check that breaks is a finding, never a crash.
"""

from __future__ import annotations

import ipaddress
import math
import os
import platform
import resource
import shutil
import socket
import sqlite3
import ssl
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from config.settings import Settings, SettingsError

from .clock import SystemClock
from .media import udp
from .media.choose import choose_engine
from .pages import find_dist

PAGES = ("index.html", "room.html", "signin.html", "studio.html", "report.html", "shop.html", "pay.html")
DATABASE = "streamserver.db"
FREE_FAIL_MIB, FREE_WARN_MIB = 100, 1024
FILES_FAIL = 1024
FILES_PER_SESSION = 2
USUAL_VIEWERS = 2000  # expected where no bound is set
"""Descriptors that one viewer holds: the realtime socket, and now and then an HTTP connection."""
CLOCK_SLACK_S = 120.0
SOCKET_BUFFER_WANTED = 1 << 20
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "ceph", "glusterfs"})


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Works here; would stop or hurt somebody."""
    FAIL = "fail"
    """Stops viewers."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    level: Level
    said: str
    """What is the case."""
    hint: str = ""
    """What to do about it."""


def examine(settings: Settings) -> list[Finding]:
    """Every check in a fixed order. Takes about a second."""
    found: list[Finding] = []
    for name, check in _CHECKS:
        try:
            found += [Finding(name, level, said, hint) for level, said, hint in check(settings)]
        except Exception as error:  # a check may meet anything on a stranger's machine
            found.append(Finding(name, Level.FAIL, f"could not be checked: {type(error).__name__}: {error}"))
    return found


def run_doctor(settings: Settings, *, as_json: bool = False) -> int:
    """Prints the findings; 1 where something would stop a viewer, else 0."""
    found = examine(settings)
    failed = sum(finding.level is Level.FAIL for finding in found)
    warned = sum(finding.level is Level.WARN for finding in found)
    if as_json:
        findings = [asdict(finding) for finding in found]
        report = {"ok": not failed, "failed": failed, "warned": warned, "findings": findings}
        print(orjson.dumps(report).decode())
    else:
        width = max(len(finding.check) for finding in found)
        for finding in found:
            print(f"{finding.level.value:<4}  {finding.check:<{width}}  {finding.said}")
            if finding.hint and finding.level is not Level.OK:
                print(f"{'':<{width + 6}}  -> {finding.hint}")
        print(f"\n{failed} would stop a viewer, {warned} to look at, {len(found) - failed - warned} fine")
    return 1 if failed else 0


Found = Iterator[tuple[Level, str, str]]
"""What a check yields: level, what is the case, what to do about it."""


def _ok(said: str) -> tuple[Level, str, str]:
    return Level.OK, said, ""


def _warn(said: str, hint: str) -> tuple[Level, str, str]:
    return Level.WARN, said, hint


def _fail(said: str, hint: str) -> tuple[Level, str, str]:
    return Level.FAIL, said, hint


def _python(_: Settings) -> Found:
    # An older Python would not have come this far; `run` refuses it.
    yield _ok(f"Python {platform.python_version()} ({sys.executable})")


def _sqlite(_: Settings) -> Found:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < (3, 35):
        yield _fail(f"SQLite {version} has no RETURNING", "use a Python with SQLite 3.35 or newer")
    elif sqlite3.sqlite_version_info < (3, 51, 3):
        # Its WAL can be corrupted by two connections that write or checkpoint at once; the server has one.
        yield _ok(f"SQLite {version}; keep other programs from writing to the database file")
    else:
        yield _ok(f"SQLite {version}")


def _openssl(_: Settings) -> Found:
    if ssl.OPENSSL_VERSION_INFO < (1, 1, 1):
        yield _fail(ssl.OPENSSL_VERSION, "use a Python built with OpenSSL 1.1.1 or newer")
    else:
        yield _ok(ssl.OPENSSL_VERSION)


def _web(_: Settings) -> Found:
    dist = find_dist()
    if dist is None:
        yield _fail("there is no web build", "./run builds it; or npm ci && npm run build in web/")
        return
    missing = [page for page in PAGES if not (dist / page).is_file()]
    if missing:
        yield _fail(f"the web build lacks {', '.join(missing)}", "build it again: npm run build in web/")
    else:
        yield _ok(f"{len(PAGES)} pages in {dist}; Node is not needed to serve them")


def _data(settings: Settings) -> Found:
    folder = Path(settings.data).absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        # Where the folder is still to be made, its nearest parent must allow it.
        with tempfile.NamedTemporaryFile(dir=existing, prefix=".doctor-") as probe:
            probe.write(b"streamserver")
            probe.flush()
            began = time.perf_counter()
            os.fsync(probe.fileno())
            fsync_ms = (time.perf_counter() - began) * 1000
    except OSError as error:
        problem = error.strerror or str(error)
        yield _fail(f"{existing} cannot be written: {problem}", "own the folder, or name another with --data")
        return
    free_mib = shutil.disk_usage(existing).free >> 20
    if free_mib < FREE_FAIL_MIB:
        yield _fail(f"{free_mib} MiB free in {existing}", "free some room: orders are refused on a full disk")
    elif free_mib < FREE_WARN_MIB:
        yield _warn(f"{free_mib} MiB free in {existing}", "recordings and the database need more")
    else:
        yield _ok(f"{folder} can be written; an fsync took {fsync_ms:.1f} ms; {free_mib / 1024:.1f} GiB free")
    kind = _file_system(existing)
    if kind in NETWORK_FILE_SYSTEMS:
        yield _fail(
            f"{existing} is on {kind}, where SQLite's write-ahead log does not work",
            "keep the data folder on a local disk",
        )


def _file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """Type of the file system that holds `path`; None where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    held: dict[int, str] = {}
    for line in lines:
        where, kind = line.split(" ")[1:3]
        point = Path(where.replace("\\040", " "))
        if path.resolve().is_relative_to(point):
            held[len(point.parts)] = kind
    return held[max(held)] if held else None


def _clock(settings: Settings) -> Found:
    # The newest of our own files and the data cannot be from the future: if they are, the clock went back.
    database = Path(settings.data) / DATABASE
    newest = max(path.stat().st_mtime for path in (Path(__file__), database) if path.exists())
    behind_s = newest - time.time()
    if behind_s > CLOCK_SLACK_S:
        yield _fail(
            f"the clock is {behind_s / 3600:.1f} h behind this server's own files",
            "set the clock (timedatectl set-ntp true): tokens, offers and reports go by it",
        )
    else:
        yield _ok(time.strftime("%Y-%m-%dT%H:%M:%SZ by this machine's clock", time.gmtime()))


def _files(settings: Settings) -> Found:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = math.inf if soft == resource.RLIM_INFINITY else soft
    viewers = settings.media_max_sessions or USUAL_VIEWERS
    wanted = viewers * FILES_PER_SESSION + 200
    if limit < FILES_FAIL:
        yield _fail(f"{soft} open files allowed", "ulimit -n 65536, or LimitNOFILE= in the systemd unit")
    elif limit < wanted:
        yield _warn(
            f"{soft} open files allowed; {viewers} viewers may need {wanted}",
            "ulimit -n 65536, or LimitNOFILE= in the systemd unit",
        )
    else:
        yield _ok(f"{soft} open files allowed")


def _port(settings: Settings) -> Found:
    where = f"{settings.host}:{settings.port}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            if _answers(settings):
                yield _ok(f"a streamserver is serving on {where}")
            else:
                problem = error.strerror or str(error)
                yield _fail(
                    f"{where} cannot be used: {problem}", "stop what holds it, or choose another --port"
                )
            return
    yield _ok(f"{where} is free")


def _answers(settings: Settings) -> bool:
    try:
        with urllib.request.urlopen(_local_url(settings) + "/livez", timeout=2) as answer:
            return answer.read(200) == b'{"alive":true}'
    except (OSError, ValueError, urllib.error.URLError):
        return False


def _local_url(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _udp(settings: Settings) -> Found:
    low, high = settings.udp_range()
    try:
        ports = udp.bind(["0.0.0.0"], low, high)
    except OSError as error:
        yield _fail(str(error), "stop what holds them, or choose others with --udp-ports A-B")
        return
    segments, chosen = ports[0].segments, ports[0].port
    given = ports[0].socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    for port in ports:
        port.close()
    if high == 0 and not _is_local(_public_host(settings)):
        yield _warn("media takes any UDP port", "name a range with --udp-ports, and open it in the firewall")
    else:
        batches = "sent in batches" if segments else "sent one by one: no UDP_SEGMENT in this kernel"
        yield _ok(f"UDP {chosen if high else 'any'} is free for media; packets are {batches}")
    if given < SOCKET_BUFFER_WANTED:
        yield _warn(
            f"the kernel grants {given >> 10} KiB of UDP receive buffer; bursts above it are lost",
            "sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304",
        )


def _public_host(settings: Settings) -> str:
    return urlsplit(settings.base_url()).hostname or ""


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not address.is_global


def judge_announce(host: str, announced: tuple[str, ...], own: tuple[str, ...]) -> Found:
    """Whether somebody who opens `host` can reach a candidate. `own` are this machine's addresses."""
    wrong = [text for text in announced if not _is_address(text)]
    if wrong:
        yield _fail(f"{', '.join(wrong)}: no IP address to announce", "--announce takes addresses, not names")
        return
    offered = announced or own
    shown = ", ".join(offered)
    if any(ipaddress.ip_address(text).is_unspecified for text in offered):
        yield _fail(f"{shown}: peers cannot send to 0.0.0.0 or ::", "announce the address that viewers reach")
        return
    if not _is_local(host) and all(_is_local(text) for text in offered):
        yield _fail(
            f"people open {host}, and only {shown} is announced: media would never leave this machine",
            "--announce the address that viewers reach",
        )
    elif not _is_local(host) and not _is_private(host) and all(_is_private(text) for text in offered):
        yield (
            Level.FAIL if _is_address(host) else Level.WARN,
            f"people open {host}, and only private addresses are announced: {shown}",
            "--announce the public address, and forward the UDP ports to this machine",
        )
    else:
        yield _ok(f"{shown} {'is' if len(offered) == 1 else 'are'} offered to peers")
    foreign = [text for text in announced if text not in own and not _is_local(text)]
    if foreign:
        yield _warn(
            f"{', '.join(foreign)} is no address of this machine",
            "right behind a NAT or a cloud's address, if the UDP ports are forwarded to here",
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _announce(settings: Settings) -> Found:
    own = tuple(udp.local_addresses())
    yield from judge_announce(_public_host(settings), settings.announce, own)
    for address in settings.announce or own:
        if address in own and not _reaches_itself(address):
            yield _fail(
                f"UDP to {address} does not arrive even from here", "look at the firewall's INPUT rules"
            )


def _reaches_itself(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with (
        socket.socket(family, socket.SOCK_DGRAM) as receiver,
        socket.socket(family, socket.SOCK_DGRAM) as sender,
    ):
        receiver.settimeout(0.5)
        try:
            receiver.bind((address, 0))
            sender.sendto(b"streamserver doctor", receiver.getsockname())
            return receiver.recv(64) == b"streamserver doctor"
        except OSError:
            return False


def _https(settings: Settings) -> Found:
    url = urlsplit(settings.base_url())
    host = url.hostname or ""
    if url.scheme == "https":
        if settings.trusted_proxies:
            yield _ok(f"{settings.base_url()} is secure")
        else:
            yield _warn(
                "public_url is https, and no proxy is trusted: the server sees plain http from one address",
                "name the TLS proxy in trusted_proxies (127.0.0.1 for one on this machine)",
            )
    elif _is_local(host):
        yield _ok("localhost counts as secure: camera and microphone work in a browser on this machine")
    else:
        yield (
            Level.WARN,
            f"{settings.base_url()} is not https: viewers can watch, but browsers give its studio no camera",
            "put TLS in front (config/deploy/nginx.conf) and set public_url to https://...",
        )
    if _is_local(settings.host) and not _is_local(host) and not settings.trusted_proxies:
        yield _warn(
            f"only this machine reaches {settings.host}:{settings.port}",
            "--host 0.0.0.0, or a proxy here",
        )


def _engine(settings: Settings) -> Found:
    try:
        _, choice = choose_engine(settings, SystemClock())
    except SettingsError as error:
        yield _fail(str(error), "media_engine = auto takes what is installed")
    else:
        yield _ok(choice)


_CHECKS: tuple[tuple[str, Callable[[Settings], Found]], ...] = (
    ("python", _python),
    ("sqlite", _sqlite),
    ("openssl", _openssl),
    ("web", _web),
    ("data", _data),
    ("clock", _clock),
    ("files", _files),
    ("port", _port),
    ("engine", _engine),
    ("udp", _udp),
    ("announce", _announce),
    ("https", _https),
)
