# SPDX-License-Identifier: Apache-2.0
"""How far a long reading is, for whoever waits for it."""

from __future__ import annotations

from types import TracebackType
from typing import TextIO

# In a file, a line for so many hosts; fewer are read before anybody asks how far it is.
HOSTS_PER_LINE = 20


class Progress:
    """Writes how many hosts and instances are read. A context manager: its end ends the line.

    On a terminal one line, written anew each time. In a file or a pipe a line for every twenty
    hosts, and none for a cloud that has fewer.

    :param stream: not the one that the report goes to
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._line_is_open = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Also after Ctrl-C: what is written next begins a line of its own.
        if self._line_is_open:
            print(file=self._stream, flush=True)

    def __call__(self, hosts: int, of: int, instances: int) -> None:
        """So many hosts of so many, and so many instances, are read; the numbers only grow."""
        if self._is_terminal:
            line = f"\r{hosts} of {of} hosts and {instances} instances read"
            print(line, end="", file=self._stream, flush=True)
            self._line_is_open = True
        elif of >= HOSTS_PER_LINE and hosts and (hosts == of or hosts % HOSTS_PER_LINE == 0):
            print(f"{hosts} of {of} hosts read", file=self._stream, flush=True)
