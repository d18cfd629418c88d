"""The samples in config/deploy are read by the programs they are for."""

from __future__ import annotations

import shutil
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.settings import Settings
from tests.architecture.tree import ROOT

DEPLOY = ROOT / "config" / "deploy"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "live.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return chain, private


def check_nginx(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    nginx = program("nginx")
    chain, private = self_signed(folder)
    # Only what belongs to the sample's machine is replaced: certificate files, and ports that need root.
    text = text.replace("/etc/ssl/live.example/fullchain.pem", str(chain))
    text = text.replace("/etc/ssl/live.example/privkey.pem", str(private))
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    text = text.replace("listen 443 ", f"listen 127.0.0.1:{free_port()} ")
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole = folder / "nginx.conf"
    whole.write_text(
        f"pid {folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{text}}}\n", encoding="utf-8"
    )
    return subprocess.run(
        [nginx, "-e", "stderr", "-t", "-p", str(folder), "-c", str(whole)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_nginx_takes_its_sample(tmp_path: Path) -> None:
    done = check_nginx((DEPLOY / "nginx.conf").read_text(encoding="utf-8"), tmp_path)
    assert done.returncode == 0, done.stderr


def test_nginx_refuses_a_broken_sample(tmp_path: Path) -> None:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8").replace("proxy_buffering off;", "proxy_bufering off;")
    done = check_nginx(text, tmp_path)
    assert done.returncode != 0
    assert "proxy_bufering" in done.stderr


def test_the_systemd_unit_is_sound(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    unit = tmp_path / "streamserver.service"
    text = (DEPLOY / "streamserver.service").read_text(encoding="utf-8")
    # systemd looks whether the program exists; on this machine another one stands in for it.
    unit.write_text(text.replace("/opt/streamserver/.venv/bin/python ", "/bin/true "), encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0
    assert str(unit) not in done.stderr


def test_systemd_waits_longer_than_the_server_drains() -> None:
    text = (DEPLOY / "streamserver.service").read_text(encoding="utf-8")
    stop_s = int(next(line for line in text.splitlines() if line.startswith("TimeoutStopSec=")).split("=")[1])
    assert stop_s > Settings().drain_s + 10
