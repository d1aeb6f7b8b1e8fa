# SPDX-License-Identifier: Apache-2.0
"""Writes how far ``nova-xloud-status invariants`` has come, because the command may take long."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

# Where there is no terminal, a line for so many hosts. Fewer hosts are read in a moment.
HOSTS_PER_LINE = 20


class ProgressLine:
    """One line on a terminal that is overwritten. Leaving the context ends the line.

    In a file or a pipe the line is not written: a subclass writes there what it wants to.

    :param stream: where to write; not the stream of the result
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._line_is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # After Ctrl-C too, so that whatever is written next begins a new line.
        if self._line_is_open:
            print(file=self._stream, flush=True)

    def _overwrite(self, text: str) -> None:
        print(f"\r{text}", end="", file=self._stream, flush=True)
        self._line_is_open = True


class Progress(ProgressLine):
    """Writes how many hosts and instances were read.

    In a file or a pipe it is one line for every twenty hosts and one for the last host, with the
    number of hosts alone. Nothing is written there for a cloud with fewer than twenty hosts.
    """

    def __call__(self, hosts: int, of: int, instances: int) -> None:
        """Write that ``hosts`` of ``of`` hosts and ``instances`` instances were read.

        If the stream is no terminal, most calls write nothing.
        """
        if self._is_terminal:
            self._overwrite(f"{hosts} of {of} hosts and {instances} instances read")
        elif of >= HOSTS_PER_LINE and hosts and (hosts == of or hosts % HOSTS_PER_LINE == 0):
            print(f"{hosts} of {of} hosts read", file=self._stream, flush=True)
