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
from nova_xloud.client.commands.columns import BlockersColumn, ConditionsColumn, NumbersColumn
from nova_xloud.client.resources import Status

_COLUMNS = {
    "vcpus": NumbersColumn,
    "memory_mb": NumbersColumn,
    "conditions": ConditionsColumn,
    "blockers": BlockersColumn,
}


class ShowAdjustment(ShowCommand):
    """Show the sizes, bounds and conditions of a server"""

    _description = """\
Show the sizes, bounds and conditions of a server

Each resource has four numbers: desired is what was asked for, reserved is what
Placement has allocated, actuated is what QEMU was set to, and observed is what
the guest was seen to have. Observed is unknown (null) if the guest cannot tell:
vCPUs if the guest has no agent, memory if the guest's balloon driver does not
report. Actuated and observed are unknown while the server's compute host is
down; source is then "database".

State says whether the server is converged, which means that the guest has the
desired size; if not, the reason codes are there, and the conditions say more.

A table has the fields that are asked for most; --long, or -c, shows the others
too. The other formats always have all that the API answers, but neither state
nor bounds, which are made of other fields."""

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
            "--long", action="store_true", help="Show all fields in a table, not only the first"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        server = self.find_server(parsed_args.server, all_projects=parsed_args.all_projects)
        status = self.xloud.get_status(server)
        fields: dict[str, Any] = {"id": server.id, "name": server.name}
        body = {name: _COLUMNS.get(name, _as_it_is)(value) for name, value in status.body.items()}
        if parsed_args.formatter == "table":
            fields["state"] = _state(status)
            fields |= {name: body.pop(name) for name in ("vcpus", "memory_mb")}
            fields["bounds"] = _bounds(status)
            fields |= {name: body.pop(name) for name in ("conditions", "blockers")}
            if not (parsed_args.long or parsed_args.columns):
                body = {}
        fields |= body
        return tuple(fields), tuple(fields.values())


def _as_it_is(value: Any) -> Any:
    return value


def _state(status: Status) -> str:
    """Return whether the server is converged, and the codes of what is not as it should be.

    The text also shows if the server does not run, and if the compute host did not answer.
    """
    state = "converged" if status.converged else "not converged"
    if status.reasons:
        state += f"{', but' if status.converged else ''}: {', '.join(status.reasons)}"
    if status.running is False:
        state += " (the server does not run)"
    if not status.from_host:
        state += " (from Nova's database: the compute host did not answer)"
    return state


def _bounds(status: Status) -> str:
    """Return the minimum and the maximum, as ``1 to 4 vCPUs, 512 to 1024 MiB``."""
    least, most, step = status.minimum, status.maximum, status.vcpu_step
    steps = f" in steps of {step}" if step > 1 else ""
    return f"{least.vcpus} to {most.vcpus} vCPUs{steps}, {least.memory_mb} to {most.memory_mb} MiB"
