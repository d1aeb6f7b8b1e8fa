# SPDX-License-Identifier: Apache-2.0
"""The outcome of a check of the invariants, as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from nova_xloud.core.checks.finding import Finding
from nova_xloud.core.remedies.findings import FINDINGS
from nova_xloud.errors import XloudError

HOLDS, BROKEN, NOT_CHECKED = 0, 1, 2


class Unread(XloudError):
    """Something could not be read, so what depends on it was not checked.

    If the check can go on nevertheless, the error is not raised to the caller, but put into the
    report.

    :ivar what: what could not be read, and why
    :ivar remedy: what to do about it
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one check.

    :ivar found: broken rules, and notes
    :ivar unread: what could not be read, and so was not checked
    :ivar instances: the number of instances that were read, elastic or not
    :ivar elastic: the number of elastic instances among them. The rules about instances are checked
        for these only; the allocations of other instances count in ``host_oversold``
    :ivar hosts: the number of compute nodes
    """

    found: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()
    instances: int = 0
    elastic: int = 0
    hosts: int = 0

    @property
    def breaks(self) -> list[Finding]:
        """The broken rules."""
        return [finding for finding in self.found if not finding.note]

    @property
    def notes(self) -> list[Finding]:
        """The findings that break no rule and are only worth knowing."""
        return [finding for finding in self.found if finding.note]

    @property
    def exit_code(self) -> int:
        """The command's exit code.

        It is 1 if a rule is broken; otherwise 2 if something could not be read, and 0 if not.
        """
        if self.breaks:
            return BROKEN
        return NOT_CHECKED if self.unread else HOLDS


def as_json(report: Report) -> str:
    """Return the report as the text of a JSON object.

    ``breaks`` and ``notes`` are lists of findings, each with the members of :class:`Finding` but
    ``note``, and with ``message``. ``not_checked`` is a list of objects with ``what`` and
    ``remedy``. ``counts`` has the numbers of ``instances``, ``elastic_instances``, ``hosts``,
    ``breaks`` and ``notes``. ``exit_code`` is that of the command.
    """
    return json.dumps(
        {
            "breaks": [_as_dict(finding) for finding in report.breaks],
            "notes": [_as_dict(finding) for finding in report.notes],
            "not_checked": [{"what": u.what, "remedy": u.remedy} for u in report.unread],
            "counts": {
                "instances": report.instances,
                "elastic_instances": report.elastic,
                "hosts": report.hosts,
                "breaks": len(report.breaks),
                "notes": len(report.notes),
            },
            "exit_code": report.exit_code,
        },
        indent=2,
    )


def _as_dict(finding: Finding) -> dict[str, object]:
    members = asdict(finding)
    del members["note"]
    return members | {"message": finding.message}


def as_text(report: Report) -> str:
    """Return the report as text for a terminal.

    The text has a table of the broken rules, the remedy of each code in it, the notes, what was not
    checked, and the counts in the last line. A part that would be empty is left out.
    """
    lines: list[str] = []
    if report.breaks:
        lines += [*_table(report.breaks), "", "What to do:"]
        lines += [f"  {code}: {FINDINGS[code].advice}" for code in _codes(report.breaks)]
        lines.append("")
    if report.notes:
        lines += ["Notes, no broken rules:", *(f"  {note.message}" for note in report.notes), ""]
    if report.unread:
        lines += ["Not checked:", *(f"  {unread}." for unread in report.unread), ""]
    breaks, notes = len(report.breaks), len(report.notes)
    lines.append(
        f"{report.elastic} elastic of {report.instances} instances on {report.hosts} hosts: "
        f"{breaks} broken, {notes} notes, {len(report.unread)} not checked"
    )
    return "\n".join(lines)


def _codes(findings: Sequence[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.code for finding in findings))


def _table(findings: Sequence[Finding]) -> list[str]:
    rows: list[tuple[str, ...]] = [("code", "instance", "host", "what")]
    rows += [(f.code, f.instance or "-", f.host or "-", f.what) for f in findings]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    rows.insert(1, tuple("-" * width for width in (*widths, len("what"))))
    return [
        "  ".join((*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]))
        for row in rows
    ]
