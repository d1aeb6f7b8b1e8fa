# SPDX-License-Identifier: Apache-2.0
"""The command ``openstack server adjust``."""

from __future__ import annotations

import argparse
from typing import Any

from nova_xloud.client import sizes
from nova_xloud.client.advice import next_step
from nova_xloud.client.commands.base import (
    EXIT_CODES,
    ExitCode,
    ShowCommand,
    Shown,
    add_server,
    as_argument,
    seconds,
)
from nova_xloud.client.commands.columns import (
    BlockersColumn,
    NameColumn,
    NumbersColumn,
    RefusalColumn,
    SizeColumn,
    StepsColumn,
)
from nova_xloud.client.errors import (
    AdjustmentFailed,
    GuestRefused,
    NotReached,
    Superseded,
    TimedOut,
)
from nova_xloud.client.resources import Adjustment, Plan, Status
from nova_xloud.client.service import TIMEOUT
from nova_xloud.client.waiting import Progress, Stage, unconfirmed
from nova_xloud.core.autoscaling.mode import OF_FLAVOR
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.printable import one_line

_OUTCOMES = {
    TimedOut: "timed out",
    GuestRefused: "guest refused",
    Superseded: "superseded",
    AdjustmentFailed: "failed",
}


class AdjustServer(ShowCommand):
    """Adjust the vCPUs and memory of a server while it runs"""

    _description = """\
Adjust the vCPUs and memory of a server while it runs

The new size has to be between the server's minimum and its flavor's size. The
server is not rebooted. The command returns when the adjustment is admitted: by
then Placement has allocated what the adjustment needs, and nova-compute begins
to change the guest. With --wait the command returns when the guest has the new
size. A server that is stopped gets the new size when it starts.

With --autoscale the server grows and shrinks by itself, between the same
bounds, or does so no more. Below a size that you ask for it does not shrink by
itself for an hour (option autoscale_hold of the compute host)."""

    _epilog = f"""\
examples:
  openstack server adjust web1 --vcpus 3 --memory 2G --wait
  openstack server adjust web1 --memory 768 --no-persist
  openstack server adjust web1 --vcpus 4 --dry-run
  openstack server adjust web1 --autoscale on
  openstack server adjust --vcpus 2 list     for a server named "list"

{EXIT_CODES}"""  # type: ignore[assignment]

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_server(parser)
        parser.add_argument(
            "--vcpus",
            metavar="<count>",
            type=as_argument(sizes.vcpus),
            help="Number of vCPUs that the server is to have (default: leave it as it is)",
        )
        parser.add_argument(
            "--memory",
            metavar="<size>",
            type=as_argument(sizes.memory_mb),
            help="Memory that the server is to have (default: leave it as it is), in MiB, or with "
            "a unit, as in 512M, 512MiB, 2G or 1T. Units are powers of 1024",
        )
        parser.add_argument(
            "--no-persist",
            action="store_true",
            help="Keep the new size only until the server next stops. It then starts with the size "
            "that was kept for it before. The server has to be running",
        )
        parser.add_argument(
            "--force",
            action="store_true",
            help="Allow less memory than the guest needs by its own statistics. The guest may then "
            "kill programs for lack of memory, or panic",
        )
        parser.add_argument(
            "--autoscale",
            choices=(*(one.value for one in Mode), OF_FLAVOR),
            help="Whether the server grows and shrinks by itself: on; observe (the compute host "
            "decides and changes nothing); off; or flavor, the mode that the flavor names. "
            "May be given without a size",
        )
        _add_modes(parser)
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> Shown:
        self._check(parsed_args)
        server = self.find_server(parsed_args.server, all_projects=parsed_args.all_projects)
        asked: dict[str, Any] = {
            "vcpus": parsed_args.vcpus,
            "memory_mb": parsed_args.memory,
            "persist": not parsed_args.no_persist,
            "force": parsed_args.force,
            "autoscale": parsed_args.autoscale,
        }
        if parsed_args.dry_run:
            return self._show_plan(server, self.xloud.plan(server, **asked))
        adjustment = self.xloud.adjust(server, **asked)
        if parsed_args.wait:
            return self._wait(server, adjustment, parsed_args.timeout or TIMEOUT)
        return _shown(server, adjustment, "admitted", None)

    def _check(self, parsed_args: argparse.Namespace) -> None:
        asked = (parsed_args.vcpus, parsed_args.memory, parsed_args.autoscale)
        if asked == (None, None, None):
            self._parser.error("name at least one of --vcpus, --memory and --autoscale")
        if parsed_args.timeout is not None and not parsed_args.wait:
            self._parser.error("--timeout has an effect only with --wait: add --wait")

    def _show_plan(self, server: Any, plan: Plan) -> Shown:
        if plan.refusal is not None:
            self._exit_code = ExitCode.REFUSED
            advice = next_step(plan.refusal.code)
            self.app.LOG.error(
                "%s", " ".join(filter(None, ("The adjustment would be refused.", advice)))
            )
        body = plan.body
        fields = {
            "id": server.id,
            "name": NameColumn(server.name),
            "admitted": plan.admitted,
            "refusal": RefusalColumn(body["refusal"]),
            "desired": SizeColumn(body["desired"]),
            "claim": SizeColumn(body["claim"]),
            "steps": StepsColumn(body["steps"]),
            "blockers": BlockersColumn(body["blockers"]),
        }
        return tuple(fields), tuple(fields.values())

    def _wait(self, server: Any, adjustment: Adjustment, timeout: float) -> Shown:
        def tell(progress: Progress) -> None:
            self._tell_progress(progress, adjustment)

        try:
            status = self.xloud.wait_for_adjustment(adjustment, timeout, tell)
        except NotReached as error:
            self.tell(error)
            self._exit_code = ExitCode.of(error)
            return _shown(server, adjustment, _OUTCOMES[type(error)], error.status)
        except KeyboardInterrupt:
            self.app.stderr.write(
                f"\nThe adjustment continues; openstack server adjust show {server.id} shows "
                f"how far it is.\n"
            )
            raise
        if status.running:
            if said := unconfirmed(status):
                self._say(said)
            return _shown(server, adjustment, "reached", status)
        self._say("the server does not run: the guest will have this size when the server starts")
        return _shown(server, adjustment, "claimed", status)

    def _tell_progress(self, progress: Progress, adjustment: Adjustment) -> None:
        told = progress.stage.value if progress.stage else f"waiting: {progress.note}"
        if progress.stage is Stage.ASKED:
            told += f"  {adjustment} (request {adjustment.request_id})"
        self._say(f"{progress.seconds:6.1f} s  {told}")

    def _say(self, text: str) -> None:
        # 0 is -q.
        if self.app.options.verbose_level > 0:
            self.app.stderr.write(f"{one_line(text)}\n")
            self.app.stderr.flush()


def _add_modes(parser: argparse.ArgumentParser) -> None:
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--dry-run",
        action="store_true",
        help="Change nothing; show whether the adjustment would be admitted or why not, what "
        "would be claimed, and the steps",
    )
    modes.add_argument(
        "--wait",
        action="store_true",
        help="Wait until the guest has the new size, and write each stage to stderr (not with "
        "-q): asked, claimed, set, seen in the guest. If no guest agent answers, wait until the "
        "size is set; if the server does not run, until the size is claimed",
    )
    parser.add_argument(
        "--timeout",
        metavar="<seconds>",
        type=as_argument(seconds),
        help=f"How long to --wait (default: {TIMEOUT:g}). The adjustment continues afterwards",
    )


def _shown(server: Any, adjustment: Adjustment, outcome: str, status: Status | None) -> Shown:
    asked = {"vcpus": adjustment.vcpus, "memory_mb": adjustment.memory_mb}
    fields: dict[str, Any] = {
        "id": server.id,
        "name": NameColumn(server.name),
        "outcome": outcome,
        "asked": SizeColumn({name: size for name, size in asked.items() if size is not None}),
        "persist": adjustment.persist,
        "request_id": adjustment.request_id,
    }
    if adjustment.autoscale is not None:
        fields["autoscale"] = adjustment.autoscale
    if status is not None:
        fields["vcpus"] = NumbersColumn(status.body["vcpus"])
        fields["memory_mb"] = NumbersColumn(status.body["memory_mb"])
    return tuple(fields), tuple(fields.values())
