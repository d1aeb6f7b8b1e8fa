# SPDX-License-Identifier: Apache-2.0
"""What the commands share: exit codes, how an error is told, how a server is found."""

from __future__ import annotations

import argparse
import enum
from collections.abc import Callable
from typing import Any
from uuid import UUID

from openstack.exceptions import NotFoundException
from osc_lib.command import command
from osc_lib.exceptions import CommandError

from nova_xloud.client.advice import next_step
from nova_xloud.client.errors import AdjustmentRefused, ClientError, GuestRefused, TimedOut
from nova_xloud.client.service import Xloud, connect

EXIT_CODES = """\
exit codes:
  0  done
  1  any other error, also: superseded by another adjustment, or failed
  2  the command line is wrong
  3  refused, nothing was changed; of --dry-run: it would be
  4  not reached within --timeout; it goes on
  5  the guest refused; what it has stays claimed
"""


class ExitCode(enum.IntEnum):
    """Beside 0, 1 and 2, which cliff and argparse have."""

    ERROR = 1
    REFUSED = 3
    TIMED_OUT = 4
    GUEST_REFUSED = 5

    @staticmethod
    def of(error: ClientError) -> ExitCode:
        for kind, code in _EXITS:
            if isinstance(error, kind):
                return code
        return ExitCode.ERROR


_EXITS = (
    (AdjustmentRefused, ExitCode.REFUSED),
    (TimedOut, ExitCode.TIMED_OUT),
    (GuestRefused, ExitCode.GUEST_REFUSED),
)


class XloudCommand(command.Command):
    """A command whose errors say what to do next and have exit codes of their own."""

    _exit_code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        # cliff would break the lines of the examples.
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        self._parser = parser
        return parser

    @property
    def xloud(self) -> Xloud:
        return connect(self.app.client_manager.sdk_connection)

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return super().run(parsed_args) or self._exit_code
        except ClientError as error:
            self.tell(error)
            return int(ExitCode.of(error))

    def tell(self, error: ClientError) -> None:
        """Log the error, and what to do next; the command goes on."""
        request_id = getattr(error, "request_id", "")
        lines = [f"{error} (request {request_id})" if request_id else str(error)]
        lines += filter(None, [error.next_step])
        log = self.app.LOG.exception if self.app.options.debug else self.app.LOG.error
        log("%s", "\n".join(lines))

    def find_server(self, name_or_id: str, *, all_projects: bool) -> Any:
        """:raises CommandError: there is none"""
        try:
            return self.xloud.find_server(name_or_id, all_projects=all_projects)
        except NotFoundException as error:
            where = "" if all_projects or _is_id(name_or_id) else next_step("", 404)
            raise CommandError(f"{error}, or you may not see it. {where}".rstrip()) from error


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def add_server(parser: argparse.ArgumentParser) -> None:
    """The argument that names a server, and where it is looked for."""
    parser.add_argument("server", metavar="<server>", help="Server (name or ID)")
    parser.add_argument(
        "--all-projects",
        action="store_true",
        help="Look for the name in all projects (admin only); an ID is found without it",
    )


def as_argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """For ``type=``: argparse shows the message of its own error only."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def seconds(text: str) -> float:
    """:raises ValueError:"""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{text!r} is no number of seconds above 0")
    return value
