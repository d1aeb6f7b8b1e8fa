# SPDX-License-Identifier: Apache-2.0
"""The command ``openstack server adjust history``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from osc_lib.command import command

from nova_xloud.client.commands.base import (
    EXIT_CODES_OF_READING,
    XloudCommand,
    add_server,
)
from nova_xloud.client.commands.columns import ListColumn, SizeColumn
from nova_xloud.client.recorded import PastAdjustment
from nova_xloud.printable import one_line

_COLUMNS = ("At", "By", "From", "To", "Outcome", "Code", "Request ID")
# Of a table only; without -c it has the first five.
_OF_TABLE = ("At", "By", "vCPUs", "Memory MiB", "Outcome", "Code", "Request ID", "From", "To")
_SHORT = _OF_TABLE[:5]
# A table has to fit into 80 columns: an ID is cut, and sizes and outcomes may take several lines.
_WIDTH, _LONGEST_BY = 80, 9
_WIDEST = {"vCPUs": 8, "Memory MiB": 13}
_NARROWEST_OUTCOME = 14

Listing = tuple[tuple[str, ...], list[tuple[Any, ...]]]


class ListHistory(XloudCommand, command.Lister):
    """List the last adjustments of a server, newest first"""

    _description = """\
List the last adjustments of a server, newest first

These are the last ten that were admitted, with the size that was desired before
and the size that was asked for. By is the ID of the user who asked, or
"autoscale" if the server was scaled automatically. Nova's database has them, so
the list works while the server's compute host is down.

Outcome is how the adjustment ended:
  converged      the size was reached
  gave_up        the size was not reached; the guest kept the size that it had
  superseded     another size was asked for before this one was reached
  admitted       no run of the compute host has ended yet
  deferred       the compute host tries again later, for example because another
                 operation goes first
  guest_refused  the guest did not follow; the compute host may try again
  failed         the compute host could not do it; it tries again

In a table, Outcome is the code of what went wrong, if something did, and By is
shortened. -c shows columns whole, also Code and Request ID. The other formats
have all of them. With the request id, "openstack server event show" shows the
instance action."""

    _epilog = f"""\
examples:
  openstack server adjust history web1
  openstack server adjust history web1 -c At -c Outcome -c "Request ID"
  openstack server adjust history web1 -f json

{EXIT_CODES_OF_READING}"""  # type: ignore[assignment]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_server(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Listing:
        server = self.find_server(parsed_args.server, all_projects=parsed_args.all_projects)
        past = self.xloud.get_history(server)
        if parsed_args.formatter != "table":
            return _COLUMNS, [tuple(_row(one)) for one in past]
        rows = [tuple(_row_of_table(one, bool(parsed_args.columns))) for one in past]
        if not parsed_args.columns:
            parsed_args.columns = list(_SHORT)
            _fit(rows)
        return _OF_TABLE, rows


def _row(one: PastAdjustment) -> Iterator[Any]:
    yield from (one.at, one.by)
    yield from (SizeColumn(one.body["from"]), SizeColumn(one.body["to"]))
    yield from (one.outcome, one.code, one.request_id)


def _row_of_table(one: PastAdjustment, is_chosen: bool) -> Iterator[Any]:
    """Yield a row of a table with all columns.

    :param is_chosen: whether the user has named the columns; then nothing is shortened
    """
    yield from (one_line(one.at), one_line(one.by) if is_chosen else _shortened(one.by))
    yield ListColumn([f"{one.before.vcpus} -> {one.after.vcpus}"])
    yield ListColumn([f"{one.before.memory_mb} -> {one.after.memory_mb}"])
    yield ListColumn([one.outcome if is_chosen else _outcome(one)])
    yield from (one_line(one.code), one_line(one.request_id))
    yield from (SizeColumn(one.body["from"]), SizeColumn(one.body["to"]))


def _fit(rows: list[tuple[Any, ...]]) -> None:
    """Set the widths of sizes and outcomes, so that a table of the short columns fits."""
    # "| one | other |"
    room = _WIDTH - 1 - 3 * len(_SHORT)
    for name in _SHORT[:-1]:
        cells = [row[_OF_TABLE.index(name)] for row in rows]
        for cell in cells:
            if name in _WIDEST:
                cell.width = _WIDEST[name]
        lines = [line for cell in cells for line in _text(cell).splitlines()]
        room -= max(map(len, [name, *lines]))
    for row in rows:
        row[_OF_TABLE.index("Outcome")].width = max(room, _NARROWEST_OUTCOME)


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else str(cell.human_readable())


def _outcome(one: PastAdjustment) -> str:
    """Return the code without ``xloud.`` if it says more than the outcome; else the outcome."""
    code = one.code.removeprefix("xloud.")
    is_final = one.outcome in ("converged", "superseded")
    return one.outcome if is_final or not code or code == one.outcome else code


def _shortened(by: str) -> str:
    by = one_line(by)
    return by if len(by) <= _LONGEST_BY else f"{by[: _LONGEST_BY - 3]}..."
