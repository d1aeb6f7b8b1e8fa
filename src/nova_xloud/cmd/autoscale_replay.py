# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-autoscale replay``: make all decisions of a journal again, and compare them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nova_xloud.backtest.journals import Journal, JournalError, journal_at
from nova_xloud.backtest.replaying import Outcome, Pair, pairs
from nova_xloud.cmd import command
from nova_xloud.cmd.autoscale_report import say_skipped
from nova_xloud.core.autoscaling.replay import OtherOptions
from nova_xloud.core.autoscaling.settings import Profile
from nova_xloud.printable import one_line

DIFFERENT = 1
WRONG = 2
# So many decisions that differ are printed; the others are counted.
SHOWN = 5

DESCRIPTION = """\
Decide everything in the journal of a compute host again, with the same function
that nova-compute calls.

Without other options each decision has to be the same again, to the byte: the
journal has all that decides. A difference means that another version of
nova-xloud has decided, or that lines are missing at the begin of the journal or
in it.

With --profile, --window or --cap the command says what other options would have
recommended, on average over all decisions, beside what was recommended. What is
not named stays as it was for each decision; but --profile brings the window of
that profile. The samples stay those of the sizes that the servers really had.
[xloud] autoscale_hold cannot be another one: the journal has the sizes of
persons that were held, and not when these were asked for.

JOURNAL is a file, or the folder that [xloud] autoscale_journal names on a
compute host. Compressed files are read too.
"""

EPILOG = """\
Exit codes: 0 all decisions are the same, or another option was given; 1 a
decision is another one: the first ones are listed with both; 2 the arguments or
the journal are wrong; 130 interrupted.
With -f lines the new lines are on stdout, in the form of the journal.

  nova-xloud-autoscale replay /var/lib/nova/xloud-autoscale
  nova-xloud-autoscale replay autoscale.jsonl --profile dense
  nova-xloud-autoscale replay autoscale.jsonl --window 7200 --cap 6
  nova-xloud-autoscale replay autoscale.jsonl -f lines | diff autoscale.jsonl -
"""


def add(commands: Any, parent: argparse.ArgumentParser) -> None:
    """Add the command ``replay`` to the program's parser.

    :param commands: what ``add_subparsers()`` of that parser has returned
    :param parent: a parser whose options the command has too
    """
    parser = command.add(
        commands,
        "replay",
        parent,
        what="all decisions of a journal again: the same ones, or those of other options",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("journal", metavar="JOURNAL", type=Path, help="a journal, or its folder")
    parser.add_argument(
        "--profile",
        choices=[profile.value for profile in Profile],
        help="decide with this profile for all servers (default: with that of each decision)",
    )
    parser.add_argument(
        "--window",
        metavar="SECONDS",
        type=command.number(float, 0),
        help="decide with this [xloud] autoscale_window; 0: with that of the profile (default: "
        "with that of each decision)",
    )
    parser.add_argument(
        "--cap",
        metavar="NUMBER",
        type=command.number(int, 1),
        help="decide with this [xloud] autoscale_cap, changes of a server in an hour; more than 32 "
        "count as 32 (default: with that of each decision)",
    )
    parser.add_argument(
        "--server",
        metavar="UUID",
        help="only the decisions of this server (default: those of all)",
    )
    parser.add_argument(
        "-f",
        "--format",
        choices=("table", "json", "lines"),
        default="table",
        help="format of the result on stdout (default: table)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Make the decisions again, print the result, and return the exit code: see ``EPILOG``."""
    options = _options(arguments)
    try:
        journal = journal_at(arguments.journal)
        result = _Result(options, prints_lines=arguments.format == "lines")
        for pair in _chosen(journal, options, arguments.server):
            result.add(pair)
    except JournalError as error:
        print(f"nova-xloud-autoscale replay: {one_line(str(error))}", file=sys.stderr)
        return WRONG
    say_skipped(journal)
    if not result.decisions:
        of = f" of server {one_line(arguments.server)}" if arguments.server else ""
        print(
            f"nova-xloud-autoscale replay: {one_line(str(arguments.journal))}: has no decision{of}",
            file=sys.stderr,
        )
        return WRONG
    if arguments.format == "json":
        print(json.dumps(result.as_json(), indent=1, allow_nan=False))
    elif arguments.format == "table":
        print(result.as_table())
    return DIFFERENT if options is None and result.different else 0


def _options(arguments: argparse.Namespace) -> OtherOptions | None:
    profile = None if arguments.profile is None else Profile(arguments.profile)
    options = OtherOptions(profile, arguments.window, arguments.cap)
    return None if options == OtherOptions() else options


def _chosen(journal: Journal, options: OtherOptions | None, server: str | None) -> Iterator[Pair]:
    lines = (line for line in journal if server is None or line.record.uuid == server)
    return pairs(lines, options)


class _Result:
    """Counts the decisions of a journal, and keeps the first :data:`SHOWN` that are not the same.

    :param options: the options that decide again; None: those of each decision
    :param prints_lines: whether :meth:`add` prints the journal's line of each new decision
    """

    def __init__(self, options: OtherOptions | None, prints_lines: bool) -> None:
        self._options = options
        self._prints_lines = prints_lines
        self._first: list[Pair] = []
        self._servers: dict[str, Outcome] = {}
        self.decisions = self.different = 0

    def add(self, pair: Pair) -> None:
        """Count one decision, and print its new line if lines are to be printed.

        :param pair: the decision of the journal, and the one that was made anew
        """
        self.decisions += 1
        uuid = pair.entry.uuid
        self._servers.setdefault(uuid, Outcome(uuid)).add(pair)
        if not pair.is_same:
            self.different += 1
            if len(self._first) < SHOWN:
                self._first.append(pair)
        if self._prints_lines:
            print(pair.text)

    def as_json(self) -> dict[str, Any]:
        """Return the result as data for JSON.

        The keys: ``profile``, ``window`` and ``cap`` (None if not given), ``decisions`` and
        ``different`` (counts), ``first_different`` (dicts of ``file``, ``line``, ``was`` and
        ``is``), and ``servers`` (dicts of ``uuid``, ``decisions``, ``others``, ``was`` and ``is``
        with mean sizes).
        """
        options = self._options or OtherOptions()
        return {
            "profile": None if options.profile is None else options.profile.value,
            "window": options.window,
            "cap": options.cap,
            "decisions": self.decisions,
            "different": self.different,
            "first_different": [
                {
                    "file": str(pair.line.file),
                    "line": pair.line.number,
                    "was": json.loads(pair.line.text)["recommendation"],
                    "is": json.loads(pair.text)["recommendation"],
                }
                for pair in self._first
            ],
            "servers": [_as_data(outcome) for outcome in self._servers.values()],
        }

    def as_table(self) -> str:
        """Return the result as text for a terminal."""
        if self._options is not None:
            return "\n".join(_table(list(self._servers.values()), self._options))
        if not self.different:
            return f"All {self.decisions} decisions are the same again, to the byte."
        lines = [f"{self.different} of {self.decisions} decisions are not the same again."]
        for pair in self._first:
            place = f"{pair.line.file}, line {pair.line.number}, {pair.entry.uuid}"
            lines.append(f"{one_line(place)}:")
            lines += (f"  was {_said(pair.entry)}", f"  is  {_said(pair.again)}")
        if self.different > len(self._first):
            lines.append(f"and {self.different - len(self._first)} more")
        return "\n".join(lines)


def _said(entry: Any) -> str:
    recommendation = entry.recommendation
    return "; ".join(
        f"{name} {advice.wanted} ({one_line(f'{advice.code}: {advice.reason}')})"
        for name, advice in (
            ("vCPUs", recommendation.vcpus),
            ("memory", recommendation.memory_mb),
        )
    )


def _as_data(outcome: Outcome) -> dict[str, Any]:
    return {
        "uuid": outcome.uuid,
        "decisions": outcome.decisions,
        "others": outcome.others,
        "was": {
            "mean_vcpus": round(outcome.mean(outcome.vcpus), 3),
            "mean_memory_mb": round(outcome.mean(outcome.memory_mb), 1),
        },
        "is": {
            "mean_vcpus": round(outcome.mean(outcome.vcpus_again), 3),
            "mean_memory_mb": round(outcome.mean(outcome.memory_mb_again), 1),
        },
    }


def _table(outcomes: list[Outcome], options: OtherOptions) -> Iterator[str]:
    words = [
        "" if options.profile is None else options.profile.value,
        "" if options.window is None else f"a window of {options.window:g} s",
        "" if options.cap is None else f"a cap of {options.cap}",
    ]
    chosen = " and ".join(word for word in words if word)
    yield f"Recommended on average, and what {chosen} would have recommended:"
    for one in outcomes:
        yield (
            f"{one_line(one.uuid)}  {one.decisions} decisions, {one.others} others: vCPUs "
            f"{one.mean(one.vcpus):.2f}, would be {one.mean(one.vcpus_again):.2f}; memory "
            f"{one.mean(one.memory_mb):.0f} MiB, would be {one.mean(one.memory_mb_again):.0f} MiB"
        )
