# SPDX-License-Identifier: Apache-2.0
"""``openstack server adjust show``"""

from __future__ import annotations

import argparse
from typing import Any

from osc_lib.command import command

from nova_xloud.client.commands.base import EXIT_CODES, XloudCommand, add_server
from nova_xloud.client.commands.columns import BlockersColumn, ConditionsColumn, NumbersColumn

_COLUMNS = {
    "vcpus": NumbersColumn,
    "memory_mb": NumbersColumn,
    "conditions": ConditionsColumn,
    "blockers": BlockersColumn,
}


class ShowAdjustment(XloudCommand, command.ShowOne):
    """Show what a server has, holds, and may become"""

    _description = """\
Show what a server has, holds, and may become

Of each resource there are four numbers: desired is what was asked for, reserved what Placement
holds, actuated what QEMU was set to, observed what the guest was seen to have. Observed is unknown
(null) where nobody can tell: vCPUs of a guest without an agent, memory of one whose balloon driver
does not report. The last two are unknown while its compute host is down; source is then
"database"."""

    _epilog = f"""\
examples:
  openstack server adjust show web1
  openstack server adjust show web1 -f json -c vcpus -c memory_mb
  openstack server adjust show web1 -f value -c current_vcpus

{EXIT_CODES}"""  # type: ignore[assignment]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_server(parser)
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        server = self.find_server(parsed_args.server, all_projects=parsed_args.all_projects)
        status = self.xloud.get_status(server)
        fields = {"id": server.id, "name": server.name}
        for name, value in status.body.items():
            fields[name] = _COLUMNS[name](value) if name in _COLUMNS else value
        return tuple(fields), tuple(fields.values())
