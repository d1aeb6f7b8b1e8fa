# SPDX-License-Identifier: Apache-2.0
"""The command ``openstack server adjust list``."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

from openstack.exceptions import ForbiddenException
from osc_lib.command import command
from osc_lib.exceptions import CommandError

from nova_xloud.client.commands.base import EXIT_CODES_OF_READING, XloudCommand
from nova_xloud.client.commands.columns import ListColumn, NameColumn
from nova_xloud.client.errors import Forbidden, NotInstalled
from nova_xloud.client.recorded import RecordedServer
from nova_xloud.client.resources import Listed, Status
from nova_xloud.core.size import Size

_COLUMNS = (
    "ID",
    "Name",
    "vCPUs",
    "Min vCPUs",
    "Max vCPUs",
    "Memory MiB",
    "Min Memory",
    "Max Memory",
    "Converged",
    "Reasons",
)
_LONG = (
    "Status",
    "Host",
    "Project ID",
    "Desired vCPUs",
    "Reserved vCPUs",
    "Observed vCPUs",
    "Desired Memory",
    "Reserved Memory",
    "Observed Memory",
    "Generation",
    "Source",
)

_RECOMMENDED = (
    "Autoscale",
    "Recommended vCPUs",
    "Recommended Memory",
    "Recommended Because",
)

# The columns of a table without --long and -c.
_SHORT = ("ID", "Name", "vCPUs", "Memory MiB", "Converged", "Reasons")
_SHORT_RECOMMENDED = (
    "ID",
    "Name",
    "vCPUs",
    "Recommended vCPUs",
    "Memory MiB",
    "Recommended Memory",
    "Autoscale",
    "Recommended Because",
)
# The width of the reasons in a table: no narrower, because a code needs some room, and no wider.
_MIN_REASONS, _MAX_REASONS = 20, 60
_REASONS = 40

_ADMIN = "{} is for administrators; without this option the servers of your project are listed"


Listing = tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]


class ListAdjustments(XloudCommand, command.Lister):
    """List servers with their sizes and whether they are converged"""

    _description = """\
List servers with their sizes and whether they are converged

A server is converged if the guest has the desired size, or if the server is off
and starts with that size. Reasons are the codes of everything that is not as it
should be.

By default the list has what was recorded last, in one request for each page of
servers: vCPUs and Memory MiB are the desired size. --long, --name and
--recommended ask the compute host of each server instead, which takes longer.
vCPUs and Memory MiB are then what the guest has. If a status cannot be read,
the reason says why, and sizes and Converged are None.

A table has ID, Name, vCPUs, Memory MiB, Converged and Reasons, and leaves the
ID out if the terminal is too narrow for it. --long has more columns, and -c
those that you name. The other formats always have the bounds too."""

    _epilog = f"""\
examples:
  openstack server adjust list --all-projects --not-converged
  openstack server adjust list --all-projects --host compute1 --long
  openstack server adjust list --all-projects --recommended
  openstack server adjust list -f csv -c Name -c vCPUs -c "Memory MiB"

{EXIT_CODES_OF_READING}"""  # type: ignore[assignment]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--host",
            metavar="<host>",
            help="List only servers on this compute host (admin only), of your project or, with "
            "--all-projects, of all projects",
        )
        parser.add_argument(
            "--all-projects", action="store_true", help="List servers of all projects (admin only)"
        )
        parser.add_argument(
            "--name", metavar="<regex>", help="List only servers whose name matches this expression"
        )
        parser.add_argument(
            "--not-converged",
            action="store_true",
            help="List only servers that are not converged, or, where the hosts are asked, whose "
            "status cannot be read",
        )
        parser.add_argument(
            "--recommended",
            action="store_true",
            help="List only servers for which automatic growth recommends another size than is "
            "desired (modes on and observe), with that size and the reason codes",
        )
        parser.add_argument(
            "--long",
            action="store_true",
            help="Show more columns: bounds, status, host, project, desired, reserved and observed "
            "sizes, generation and source",
        )
        parser.add_argument(
            "--marker", metavar="<server>", help="Begin after the server with this ID"
        )
        parser.add_argument(
            "--limit",
            metavar="<count>",
            type=_count,
            help="Read at most this many servers, before --not-converged or --recommended leaves "
            "some out",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Listing:
        recorded = None if _needs_hosts(parsed_args) else self._recorded(parsed_args)
        if recorded is not None:
            if parsed_args.not_converged:
                recorded = [one for one in recorded if not one.converged]
            return _shown(parsed_args, _COLUMNS, [tuple(_recorded_row(one)) for one in recorded])
        found = self._found(parsed_args)
        if parsed_args.not_converged:
            found = [one for one in found if one.status is None or not one.status.converged]
        wanted = parsed_args.recommended
        if wanted:
            found = [one for one in found if one.status and one.status.recommends_change]
        columns = _COLUMNS + (_LONG if parsed_args.long else ())
        columns += _RECOMMENDED if wanted else ()
        rows = [
            (*_row(one, parsed_args.long), *(_recommended(one.status) if wanted else ()))
            for one in found
        ]
        return _shown(parsed_args, columns, rows)

    def _recorded(self, parsed_args: argparse.Namespace) -> list[RecordedServer] | None:
        """Return the servers as they are recorded; None if the API is too old for this list.

        :raises CommandError: an option is for administrators
        """
        try:
            return list(
                self.xloud.recorded_servers(
                    parsed_args.limit,
                    all_projects=parsed_args.all_projects,
                    host=parsed_args.host,
                    marker=parsed_args.marker,
                )
            )
        except NotInstalled:
            return None
        except Forbidden as error:
            if option := _for_admins(parsed_args):
                raise CommandError(_ADMIN.format(option)) from error
            raise

    def _found(self, parsed_args: argparse.Namespace) -> list[Listed]:
        """Return the servers with their statuses, each of which is a request.

        :raises CommandError: an option is for administrators
        """
        asked = {
            "compute_host": parsed_args.host,
            "all_projects": parsed_args.all_projects,
            "name": parsed_args.name,
            "marker": parsed_args.marker,
        }
        query = {name: value for name, value in asked.items() if value}
        try:
            found = list(self.xloud.servers(parsed_args.limit, **query))
        except ForbiddenException as error:
            if parsed_args.all_projects:
                raise CommandError(_ADMIN.format("--all-projects")) from error
            raise
        if parsed_args.host and any(one.server.compute_host is None for one in found):
            # Nova shows the host to administrators only. For others it ignores the query, and lists
            # all their servers.
            raise CommandError(_ADMIN.format("--host"))
        return found


def _needs_hosts(parsed_args: argparse.Namespace) -> bool:
    """Return whether an option asks for what only Nova's list or the compute hosts know."""
    return bool(parsed_args.long or parsed_args.name or parsed_args.recommended)


def _for_admins(parsed_args: argparse.Namespace) -> str:
    """Return the option that is for administrators, if one was given; else an empty text."""
    if parsed_args.all_projects:
        return "--all-projects"
    return "--host" if parsed_args.host else ""


def _shown(
    parsed_args: argparse.Namespace, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> Listing:
    """Return the listing, after the columns and widths of a table were chosen."""
    if parsed_args.formatter == "table":
        if parsed_args.recommended and not (parsed_args.long or parsed_args.columns):
            parsed_args.columns = list(_SHORT_RECOMMENDED)
        elif parsed_args.long or parsed_args.columns:
            for row in rows:
                row[columns.index("Reasons")].width = _REASONS
        else:
            # The rows stay whole, because cliff sorts them by any of their columns.
            short = [_only(_SHORT, columns, row) for row in rows]
            parsed_args.columns = _fit(_SHORT, short, _width(parsed_args))
    return columns, rows


def _recorded_row(server: RecordedServer) -> Iterator[Any]:
    yield from (server.id, NameColumn(server.name))
    yield from _bounded(server.desired, server.minimum, server.maximum)
    yield server.converged
    yield ListColumn(list(server.reasons))


def _row(listed: Listed, is_long: bool) -> Iterator[Any]:
    server, status = listed.server, listed.status
    yield from (server.id, NameColumn(server.name))
    yield from _sizes(status)
    yield None if status is None else status.converged
    yield ListColumn(list(status.reasons) if status is not None else [str(listed.error)])
    if is_long:
        yield from map(_name, (server.status, server.compute_host, server.project_id))
        yield from _more(status)


def _recommended(status: Status | None) -> Iterator[Any]:
    told = None if status is None else status.autoscale
    size = None if told is None else told.recommendation
    yield None if told is None else _name(told.mode)
    yield from (None, None) if size is None else (size.vcpus, size.memory_mb)
    yield ListColumn([] if told is None else [one["code"] for one in told.reasons])


def _name(text: str | None) -> NameColumn | None:
    return None if text is None else NameColumn(text)


def _only(names: Iterable[str], columns: tuple[str, ...], row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(row[columns.index(name)] for name in names)


def _width(parsed_args: argparse.Namespace) -> int:
    """Return the width that a table may have, in characters: ``--max-width``, or the terminal's.

    :returns: 0 if no width is known, for example because the output is a pipe
    """
    if parsed_args.max_width > 0:
        return int(parsed_args.max_width)
    return shutil.get_terminal_size(fallback=(0, 0)).columns


def _fit(names: tuple[str, ...], rows: list[tuple[Any, ...]], width: int) -> list[str]:
    """Return the columns of a table that fits into ``width`` if possible, and narrow its reasons.

    To fit, the column Reasons becomes narrower, down to 20 characters; if that is not enough, the
    column ID is left out, because an ID that cliff breaks into lines cannot be copied.

    :param names: the names of the columns, ID first and Reasons last
    :param width: characters; 0: the table may have any width, and Reasons has 40 characters
    """
    # "| one | other | reasons |"
    columns = list(zip(names, *rows, strict=True))[:-1]
    widths = [max(len(str(cell)) for cell in column) + 3 for column in columns]
    room = width - sum(widths) - 4 if width else _REASONS
    longest = max((len(line) for *_, one in rows for line in one.lines()), default=0)
    if room < min(_MIN_REASONS, max(longest, len(names[-1]))):
        names = names[1:]
        room += widths[0]
    for row in rows:
        row[-1].width = min(max(room, _MIN_REASONS), _MAX_REASONS)
    return list(names)


def _sizes(status: Status | None) -> Iterator[int | None]:
    if status is None:
        yield from [None] * 6
        return
    # What the guest has. Without a guest, or from the database, this is what is desired.
    has = status.numbers.actuated if status.running else None
    yield from _bounded(has or status.current, status.minimum, status.maximum)


def _bounded(*sizes: Size) -> Iterator[int]:
    """Yield the vCPUs of the sizes, and then their memory, in the order of the columns."""
    for resource in ("vcpus", "memory_mb"):
        for size in sizes:
            yield getattr(size, resource)


def _more(status: Status | None) -> Iterator[Any]:
    if status is None:
        yield from [None] * 8
        return
    numbers = status.numbers
    for resource in ("vcpus", "memory_mb"):
        for size in (numbers.desired, numbers.reserved, numbers.observed):
            yield getattr(size, resource, None)
    yield from (status.generation, _name(status.body["source"]))


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of servers; write a whole number, at least 1"
        )
    return int(text)
