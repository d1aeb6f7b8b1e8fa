# SPDX-License-Identifier: Apache-2.0
"""Writes how far ``nova-xloud-autoscale backtest`` has come, because the command may take long."""

from __future__ import annotations

from typing import TextIO

from nova_xloud.cmd.progress import ProgressLine

# How many lines are written for a trace where there is no terminal.
PARTS = 10


class Progress(ProgressLine):
    """Writes which share of a trace was played, and how many machines.

    In a file or a pipe it is a line for each tenth of a trace.

    :param stream: where to write; not the stream of the result
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._noted: tuple[str, int] = ("", 0)

    def __call__(self, source: str, share: float, what: str) -> None:
        """Write that ``share`` of a trace was played.

        If the stream is no terminal, most calls write nothing.

        :param source: the name of the trace
        :param share: from 0 to 1
        :param what: what was played, as text, such as the number of machines
        """
        line = f"{source}: {100 * share:.0f} % played, {what}"
        if self._is_terminal:
            # The rest of a longer line before is overwritten with spaces.
            self._overwrite(f"{line:<70}")
            return
        noted = (source, int(share * PARTS))
        if noted[1] and noted != self._noted:
            self._noted = noted
            print(line, file=self._stream, flush=True)
