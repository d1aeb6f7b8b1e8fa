# SPDX-License-Identifier: Apache-2.0
"""What the commands share: arguments, exit codes, error messages, tables, finding a server."""

from __future__ import annotations

import argparse
import enum
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from openstack.exceptions import NotFoundException
from osc_lib.command import command
from osc_lib.exceptions import CommandError

from nova_xloud.client.advice import next_step
from nova_xloud.client.commands.columns import TextColumn
from nova_xloud.client.errors import AdjustmentRefused, ClientError, GuestRefused, TimedOut
from nova_xloud.client.service import Xloud, connect
from nova_xloud.printable import one_line

EXIT_CODES = """\
exit codes:
  0  done
  1  any other error; also an adjustment that failed or was superseded
  2  the command line is wrong
  3  the adjustment was refused, which changes nothing unless the message says
     otherwise; with --dry-run: the adjustment would be refused
  4  the size was not reached within --timeout; the adjustment continues
  5  the guest refused the size; what the guest has stays claimed
"""

# For commands that only read.
EXIT_CODES_OF_READING = """\
exit codes:
  0  done
  1  any other error, for example: there is no such server
  2  the command line is wrong
  3  the API refused to answer, for example because the policy does not allow it
"""

# Longer lines of text are hard to read.
MAX_WIDTH = 120

Shown = tuple[tuple[str, ...], tuple[Any, ...]]


class ExitCode(enum.IntEnum):
    """The exit codes of these commands for errors; argparse ends a wrong command line with 2."""

    ERROR = 1
    REFUSED = 3
    TIMED_OUT = 4
    GUEST_REFUSED = 5

    @staticmethod
    def of(error: ClientError) -> ExitCode:
        """Return the exit code of a command that ended with ``error``."""
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
    """A command that reports a ``ClientError`` with what to do next.

    The exit code is then what :meth:`ExitCode.of` returns for that error.
    """

    _exit_code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)
        # The formatter of cliff would break the lines of the examples.
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        self._parser = parser
        return parser

    @property
    def xloud(self) -> Xloud:
        """The API of nova-xloud in the cloud that the user has named."""
        return connect(self.app.client_manager.sdk_connection)

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return super().run(parsed_args) or self._exit_code
        except ClientError as error:
            self.tell(error)
            return int(ExitCode.of(error))

    def tell(self, error: ClientError) -> None:
        """Log the error, its request id and what to do next; with ``--debug`` the traceback too."""
        request_id = getattr(error, "request_id", "")
        told = one_line(str(error))
        lines = [f"{told} (request {one_line(request_id)})" if request_id else told]
        lines += filter(None, [error.next_step])
        log = self.app.LOG.exception if self.app.options.debug else self.app.LOG.error
        log("%s", "\n".join(lines))

    def find_server(self, name_or_id: str, *, all_projects: bool) -> Any:
        """Return the server with that name or ID.

        :param all_projects: look for the name in all projects; for administrators
        :raises CommandError: there is no such server, or the user may not see it
        :raises openstack.exceptions.DuplicateResource: several servers have that name
        """
        try:
            return self.xloud.find_server(name_or_id, all_projects=all_projects)
        except NotFoundException as error:
            where = "" if all_projects or _is_id(name_or_id) else next_step("", 404)
            raise CommandError(
                f"{error}, or you may not see that server. {where}".rstrip()
            ) from error


class ShowCommand(XloudCommand, command.ShowOne):
    """A command that shows the fields of one thing, in a table of limited width.

    The width is that of cliff's ``--max-width``. Without that option it is the environment's
    ``COLUMNS``, or else the width of the terminal, or else 80; and at most ``MAX_WIDTH``.
    """

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Sequence[Any]
    ) -> int:
        if parsed_args.formatter == "table":
            if parsed_args.max_width < 1:
                parsed_args.max_width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
            _fit(dict(zip(column_names, data, strict=True)), parsed_args.max_width)
        return int(super().produce_output(parsed_args, column_names, data))


def _fit(fields: Mapping[str, Any], width: int) -> None:
    """Set the width of each ``TextColumn``, so that a table of ``fields`` fits into ``width``.

    A text keeps a width of at least 20 characters, even if ``width`` is too small for that.
    """
    # "| field | value |"
    room = width - max(len(name) for name in fields) - 7
    for value in fields.values():
        if isinstance(value, TextColumn):
            value.width = max(room, 20)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``server`` and the option ``--all-projects`` to ``parser``."""
    parser.add_argument("server", metavar="<server>", help="Server (name or ID)")
    parser.add_argument(
        "--all-projects",
        action="store_true",
        help="Look for the name in all projects (admin only); an ID is found without this",
    )


def as_argument(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a function for ``type=`` of argparse that calls ``parse`` and keeps its error message.

    argparse replaces the message of a ValueError by its own, but not that of an ArgumentTypeError.

    :param parse: parses a text, and raises ValueError with a message for the user
    """

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def seconds(text: str) -> float:
    """Parse a number of seconds above 0, and return it.

    :raises ValueError: the text is no number, or the number is not above 0 or is infinite
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"{text!r} is not a number of seconds above 0")
    return value
