"""The command line, and the one place that lists the features. Nobody imports it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Callable
from pathlib import Path

from config.settings import SettingsError, sample
from streamserver.serve import add_flags, serve, settings_of


def features() -> list[Callable[..., None]]:
    import chat.feature
    import commerce_overlay.feature
    import signaling.feature

    return [signaling.feature.setup, chat.feature.setup, commerce_overlay.feature.setup]


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="streamserver", description="Livestream commerce on one machine.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, text in (
        ("show", "serve, with the demo show (the default)"),
        ("serve", "serve, without the show"),
    ):
        add_flags(commands.add_parser(name, help=text))
    account = commands.add_parser(
        "account", help="add an account: account add EMAIL --role brand --seller NAME"
    )
    account.add_argument("action", choices=["add"])
    account.add_argument("email")
    account.add_argument(
        "--role", required=True, choices=["operator", "brand", "influencer", "moderator", "viewer"]
    )
    account.add_argument(
        "--seller", default="", help="the brand's name; made if it is new (not for operators)"
    )
    account.add_argument("--name", default="", help="the name that others see")
    add_flags_data(account)
    doctor = commands.add_parser("doctor", help="what on this machine would stop a viewer")
    doctor.add_argument("--json", action="store_true")
    add_flags(doctor)
    commands.add_parser("settings", help="print the complete sample file of settings")
    wire = commands.add_parser("wire-types", help="print the TypeScript types of the frames")
    wire.add_argument("--write", type=Path, metavar="FILE")
    ledger = commands.add_parser(
        "ledger", help="check that the ledger balances and equals orders and payments"
    )
    ledger.add_argument("action", choices=["check"])
    add_flags_data(ledger)
    for name, text in (("bench", "one measurement"), ("test", "the tests, by pytest")):
        forward = commands.add_parser(name, help=text, add_help=False)
        forward.add_argument("rest", nargs=argparse.REMAINDER)

    if not argv or (argv[0].startswith("-") and argv[0] not in ("-h", "--help")):
        argv = ["show", *argv]
    if argv[0] in ("bench", "test"):
        return forward_to({"bench": "bench", "test": "pytest"}[argv[0]], argv[1:])
    args = parser.parse_args(argv)
    try:
        return run(args)
    except SettingsError as exc:
        print(f"streamserver: {exc}", file=sys.stderr)
        return 2


def add_flags_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default=None, help="folder of the database [data]")
    parser.add_argument("--config", type=Path, default=None, help="TOML file of settings")


def run(args: argparse.Namespace) -> int:
    match args.command:
        case "show" | "serve":
            return serve(args, features(), show=args.command == "show")
        case "settings":
            print(sample(), end="")
            return 0
        case "wire-types":
            from streamserver.wire_types import typescript

            text = typescript()
            if args.write:
                args.write.write_text(text, "utf-8")
            else:
                print(text, end="")
            return 0
        case "doctor":
            from streamserver.doctor import run_doctor

            return run_doctor(settings_of(args), as_json=args.json)
        case "account":
            from streamserver.accounts import add_account

            password = (
                sys.stdin.readline().rstrip("\n") if not sys.stdin.isatty() else getpass.getpass("Password: ")
            )
            return asyncio.run(
                add_account(settings_of(args), args.email, password, args.role, args.seller, args.name)
            )
        case "ledger":
            from commerce_overlay.ledger_check import check_command

            return asyncio.run(check_command(settings_of(args)))
        case _:
            return 2


def forward_to(module: str, argv: list[str]) -> int:
    import runpy

    sys.argv = [module, *argv]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
