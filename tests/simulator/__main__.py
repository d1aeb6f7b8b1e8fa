# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.simulator SEED [--without RULE]``: print a history, event by event."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import Counter

from tests.simulator.generator import make
from tests.simulator.history import live
from tests.simulator.rules import RULES, rule
from tests.simulator.schedule import Violation


def main() -> int:
    """Exit code 1: the history breaks a rule."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator")
    parser.add_argument("seed", type=int, nargs="?", help="the history to print")
    parser.add_argument("--without", metavar="RULE", help="as it would go without a safety rule")
    parser.add_argument("--rules", action="store_true", help="list the safety rules")
    parser.add_argument("--count", type=int, metavar="N", help="what the first N histories contain")
    arguments = parser.parse_args()
    if arguments.rules:
        _say(*(f"{one.name:42} without it {one.protects_from}" for one in RULES))
    elif arguments.count is not None:
        counts = counted(arguments.count)
        _say(*(f"{number:9}  {what}" for what, number in sorted(counts.items())))
    elif arguments.seed is not None:
        return _print(arguments.seed, arguments.without)
    else:
        parser.print_help()
    return 0


def counted(histories: int) -> Counter[str]:
    """What happens in the first ones, by kind."""
    counts: Counter[str] = Counter()
    for seed in range(histories):
        counts += live(seed).counts
    return counts


def _print(seed: int, without: str | None) -> int:
    scenario = make(seed)
    _say(*(f"{name}: {getattr(scenario, name)}" for name in ("capacity", "guests", "faults")))
    trace: list[str] = []
    try:
        with rule(without).off() if without else contextlib.nullcontext():
            live(seed, trace)
    except Violation as violation:
        _say(*trace, f"BROKEN: {violation}")
        return 1
    _say(*trace, "every rule was kept")
    return 0


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
