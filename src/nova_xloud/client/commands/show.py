# SPDX-License-Identifier: Apache-2.0
"""The command ``openstack server adjust show``."""

from __future__ import annotations

import argparse
from typing import Any

from nova_xloud.client.commands.base import (
    EXIT_CODES_OF_READING,
    ShowCommand,
    Shown,
    add_server,
)
from nova_xloud.client.commands.columns import (
    AutoscaleColumn,
    BlockersColumn,
    ConditionsColumn,
    NameColumn,
    NumbersColumn,
)
from nova_xloud.client.resources import Status
from nova_xloud.printable import one_line

_COLUMNS = {
    "vcpus": NumbersColumn,
    "memory_mb": NumbersColumn,
    "conditions": ConditionsColumn,
    "blockers": BlockersColumn,
    "autoscale": AutoscaleColumn,
}


class ShowAdjustment(ShowCommand):
    """Show the sizes, bounds and conditions of a server"""

    _description = """\
Show the sizes, bounds and conditions of a server

Each resource has four numbers: desired is what was asked for, reserved is what
Placement has allocated, actuated is what QEMU was set to, and observed is what
the guest was seen to have. Observed is unknown (null) if the guest cannot tell:
vCPUs if no guest agent answers, memory if the guest's balloon driver does not
report. While the server's compute host is down, or it or Placement does not
answer, actuated and observed are unknown, and source is "database": the rest is
then from Nova's database.

State says whether the server is converged: the guest has the desired size, or
the server is off and starts with that size. If it is not converged, state has
the reason codes, and conditions says more.

Autoscale says whether the server grows and shrinks by itself, and if so which
size is recommended, why, since when, and how old the guest's figures are.

A table has the most important fields; --long, or -c, shows the others too. The
other formats always have all that the API answers, but neither state nor
bounds, which are made of other fields."""

    _epilog = f"""\
examples:
  openstack server adjust show web1
  openstack server adjust show web1 -f json -c vcpus -c memory_mb
  openstack server adjust show web1 -f value -c current_vcpus

{EXIT_CODES_OF_READING}"""  # type: ignore[assignment]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_server(parser)
        parser.add_argument(
            "--long",
            action="store_true",
            help="Show all fields in a table, not only the most important",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        server = self.find_server(parsed_args.server, all_projects=parsed_args.all_projects)
        status = self.xloud.get_status(server)
        fields: dict[str, Any] = {"id": server.id, "name": NameColumn(server.name)}
        body = {name: _COLUMNS.get(name, _as_it_is)(value) for name, value in status.body.items()}
        if parsed_args.formatter == "table":
            fields["state"] = _state(status)
            fields |= {name: body.pop(name) for name in ("vcpus", "memory_mb")}
            fields["bounds"] = _bounds(status)
            names = ("conditions", "blockers", "autoscale")
            fields |= {name: body.pop(name) for name in names if name in body}
            if not (parsed_args.long or parsed_args.columns):
                body = {}
        fields |= body
        return tuple(fields), tuple(fields.values())


def _as_it_is(value: Any) -> Any:
    return NameColumn(value) if isinstance(value, str) else value


def _state(status: Status) -> str:
    """Return the field ``state``: ``converged`` or ``not converged``, and the reason codes.

    The text also says if the server does not run, and if the status is from Nova's database, or
    only of the flavor.
    """
    state = "converged" if status.converged else "not converged"
    if status.reasons:
        reasons = one_line(", ".join(status.reasons))
        state += f"{', but' if status.converged else ''}: {reasons}"
    if status.running is False:
        state += " (the server does not run)"
    if status.is_in_part:
        state += " (only the flavor is known: desired and reserved are not the server's own)"
    elif not status.from_host:
        state += " (from Nova's database, not from the compute host)"
    return state


def _bounds(status: Status) -> str:
    """Return the field ``bounds``, such as ``1 to 4 vCPUs, 512 to 1024 MiB``."""
    least, most, step = status.minimum, status.maximum, status.vcpu_step
    steps = f" in steps of {step}" if step > 1 else ""
    return f"{least.vcpus} to {most.vcpus} vCPUs{steps}, {least.memory_mb} to {most.memory_mb} MiB"
