# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-autoscale report``: what each server should have, what it would free, and why."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nova_xloud.backtest.journals import Journal, JournalError, journal_at
from nova_xloud.backtest.recommended import ROUNDS_WITHOUT, Evidence, ServerReport, reports
from nova_xloud.cmd import command
from nova_xloud.core.size import Size, of_vcpus
from nova_xloud.printable import one_line

WRONG = 2

DESCRIPTION = f"""\
Read the journal of a compute host, and list what each server should have: the
size that automatic growth would bring it to, what that would free on the host,
and the evidence. Servers in the mode `observe` have one too: so this is how to
find out what automatic growth would do before it is turned on.

The total is of the servers that are still scaled on the host. It leaves out those
about which nothing was decided in the last {ROUNDS_WITHOUT} rounds of the journal: they were
deleted, have moved or were shut off, or their mode was set to off.

JOURNAL is a file, or the folder that [xloud] autoscale_journal names on a
compute host. Compressed files are read too.
"""

EPILOG = """\
If the figures of a server are too few to shrink it, it should have what it has,
and the reason says what is missing.

Exit codes: 0 done; 2 the arguments or the journal are wrong; 130 interrupted.

  nova-xloud-autoscale report /var/lib/nova/xloud-autoscale
  nova-xloud-autoscale report autoscale.jsonl -f json
"""


def add(commands: Any, parent: argparse.ArgumentParser) -> None:
    """Add the command ``report`` to the program's parser.

    :param commands: what ``add_subparsers()`` of that parser has returned
    :param parent: a parser whose options the command has too
    """
    parser = command.add(
        commands,
        "report",
        parent,
        what="what each server should have, what that would free, and why",
        description=DESCRIPTION,
        epilog=EPILOG,
    )
    parser.add_argument("journal", metavar="JOURNAL", type=Path, help="a journal, or its folder")
    parser.add_argument(
        "-f",
        "--format",
        choices=("table", "json"),
        default="table",
        help="format of the report on stdout (default: table)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the journal, print the report, and return the exit code, which ``EPILOG`` explains."""
    try:
        journal = journal_at(arguments.journal)
        found = reports(line.record for line in journal)
    except JournalError as error:
        print(f"nova-xloud-autoscale report: {one_line(str(error))}", file=sys.stderr)
        return WRONG
    say_skipped(journal)
    show = _as_json if arguments.format == "json" else _as_table
    print(show(found))
    return 0


def say_skipped(journal: Journal) -> None:
    """Print on stderr how many lines of the journal were skipped, and which was the first.

    A line is skipped if it has no record. If none was skipped, nothing is printed.
    """
    if journal.skipped:
        lines = "1 line was" if journal.skipped == 1 else f"{journal.skipped} lines were"
        print(f"{lines} skipped, the first one is {journal.first_skipped}", file=sys.stderr)


def _freed(found: Sequence[ServerReport]) -> Size:
    """Return what the host gets back of the servers that are not gone."""
    here = [report for report in found if not report.is_gone]
    return Size(sum(r.frees.vcpus for r in here), sum(r.frees.memory_mb for r in here))


def _as_json(found: Sequence[ServerReport]) -> str:
    freed = _freed(found)
    document = {
        "servers": [_server(report) for report in found],
        "frees": {"vcpus": freed.vcpus, "memory_mb": freed.memory_mb},
        "gone": sum(report.is_gone for report in found),
    }
    return json.dumps(document, indent=1, allow_nan=False)


def _server(report: ServerReport) -> dict[str, Any]:
    return {
        "uuid": report.uuid,
        "mode": report.mode,
        "profile": report.profile,
        "since": _date(report.since),
        "until": _date(report.until),
        "decisions": report.decisions,
        "changes": report.changes,
        "is_gone": report.is_gone,
        "vcpus": _resource(report.vcpus, report.has.vcpus),
        "memory_mb": _resource(report.memory_mb, report.has.memory_mb),
    }


def _resource(evidence: Evidence, has: int) -> dict[str, Any]:
    return {
        "has": has,
        "should_have": evidence.should_have,
        "frees": has - evidence.should_have,
        "need": evidence.need,
        "highest_need": evidence.highest_need,
        "code": evidence.code,
        "reason": evidence.reason,
    }


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _as_table(found: Sequence[ServerReport]) -> str:
    if not found:
        return "The journal has no decision."
    parts = [_paragraph(report) for report in found]
    freed, gone = _freed(found), sum(report.is_gone for report in found)
    parts.append(
        f"{_servers(len(found) - gone)}; this would free {of_vcpus(freed.vcpus)} and "
        f"{freed.memory_mb} MiB"
    )
    if gone:
        parts.append(
            f"Left out of that: {_servers(gone)} about which nothing was decided in the last "
            f"{ROUNDS_WITHOUT} rounds"
        )
    return "\n\n".join(parts)


def _servers(count: int) -> str:
    return "1 server" if count == 1 else f"{count} servers"


def _paragraph(report: ServerReport) -> str:
    span = f"{_date(report.since)} to {_date(report.until)}"
    changes = "1 change" if report.changes == 1 else f"{report.changes} changes"
    head = (
        f"{one_line(report.uuid)}  {report.mode}, {report.profile}; {report.decisions} decisions "
        f"and {changes}, {span}{'; gone since' if report.is_gone else ''}"
    )
    rows = (
        _row("vCPUs", report.vcpus, report.has.vcpus, ".2f"),
        _row("memory", report.memory_mb, report.has.memory_mb, ".0f"),
    )
    return "\n".join((head, *rows))


def _freed_by(difference: int) -> str:
    return f"frees {difference}" if difference >= 0 else f"that is {-difference} more"


def _row(name: str, evidence: Evidence, has: int, form: str) -> str:
    def shown(need: float | None) -> str:
        return "unknown" if need is None else format(need, form)

    return (
        f"  {name:<7} has {has}, should have {evidence.should_have}, "
        f"{_freed_by(has - evidence.should_have)}; needs {shown(evidence.need)}, "
        f"at most {shown(evidence.highest_need)}\n"
        f"          {one_line(evidence.code)}: {one_line(evidence.reason)}"
    )
