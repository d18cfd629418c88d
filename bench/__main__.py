"""Runs one bench by name, or lists them.

It knows the folder and nothing of what a bench measures.
"""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

_HELPERS = {"__init__", "__main__", "machine"}


def benches() -> dict[str, str]:
    """The benches by name, each with the first line of its docstring. A name with `_` is a helper."""
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in _HELPERS and not path.stem.startswith("_"):
            doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            found[path.stem] = doc.partition("\n")[0]
    return found


def main() -> None:
    names = benches()
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in names:
        sys.argv[:2] = [f"bench {name}"]
        runpy.run_module(f"bench.{name}", run_name="__main__", alter_sys=False)
        return
    if name and name not in {"-h", "--help"}:
        print(f"bench: there is no bench {name!r}", file=sys.stderr)
    print("usage: bench NAME [--json] [flags of that bench]\n")
    width = max((len(known) for known in names), default=0)
    for known, line in names.items():
        print(f"  {known:<{width}}  {line}")
    sys.exit(0 if name in {"", "-h", "--help"} else 2)


if __name__ == "__main__":
    main()
