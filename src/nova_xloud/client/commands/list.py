# SPDX-License-Identifier: Apache-2.0
"""``openstack server adjust list``"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

from openstack.exceptions import ForbiddenException
from osc_lib.command import command
from osc_lib.exceptions import CommandError

from nova_xloud.client.commands.base import EXIT_CODES, XloudCommand
from nova_xloud.client.commands.columns import ListColumn
from nova_xloud.client.resources import Listed, Status

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

_ADMIN = "{} is for administrators; without it your project's servers are listed"


class ListAdjustments(XloudCommand, command.Lister):
    """List servers with what they have and may become"""

    _description = """\
List servers with what they have and may become

Reasons are the codes of all that is not as it should be. A server whose status cannot be had (its
host runs without nova-xloud, say) is listed with the reason, and Converged is not known."""

    _epilog = f"""\
examples:
  openstack server adjust list --all-projects --not-converged
  openstack server adjust list --all-projects --host compute1 --long
  openstack server adjust list -f csv -c Name -c vCPUs -c "Memory MiB"

{EXIT_CODES}"""  # type: ignore[assignment]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--host",
            metavar="<host>",
            help="Only servers on that compute host (admin only); of your project, unless with "
            "--all-projects",
        )
        parser.add_argument(
            "--all-projects", action="store_true", help="Servers of all projects (admin only)"
        )
        parser.add_argument(
            "--name", metavar="<regex>", help="Only servers whose name matches, as Nova matches it"
        )
        parser.add_argument(
            "--not-converged",
            action="store_true",
            help="Only servers that are not (or not known to be) as they should be",
        )
        parser.add_argument("--long", action="store_true", help="More columns")
        parser.add_argument(
            "--marker", metavar="<server>", help="Begin after that server of the list (ID)"
        )
        parser.add_argument(
            "--limit",
            metavar="<count>",
            type=_count,
            help="Look at not more than so many servers",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
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
            # To others Nova does not tell the host, and lists all their servers whatever is asked.
            raise CommandError(_ADMIN.format("--host"))
        if parsed_args.not_converged:
            found = [one for one in found if one.status is None or not one.status.converged]
        columns = _COLUMNS + (_LONG if parsed_args.long else ())
        return columns, (tuple(_row(one, parsed_args.long)) for one in found)


def _row(listed: Listed, is_long: bool) -> Iterator[Any]:
    server, status = listed.server, listed.status
    yield from (server.id, server.name)
    yield from _sizes(status)
    yield None if status is None else status.converged
    yield ListColumn(list(status.reasons) if status is not None else [str(listed.error)])
    if is_long:
        yield from (server.status, server.compute_host, server.project_id)
        yield from _more(status)


def _sizes(status: Status | None) -> Iterator[int | None]:
    if status is None:
        yield from [None] * 6
        return
    for resource in ("vcpus", "memory_mb"):
        for size in (status.current, status.minimum, status.maximum):
            yield getattr(size, resource)


def _more(status: Status | None) -> Iterator[Any]:
    if status is None:
        yield from [None] * 8
        return
    numbers = status.numbers
    for resource in ("vcpus", "memory_mb"):
        for size in (numbers.desired, numbers.reserved, numbers.observed):
            yield getattr(size, resource, None)
    yield from (status.generation, status.body["source"])


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)
