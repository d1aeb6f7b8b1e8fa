# SPDX-License-Identifier: Apache-2.0
"""How far a reading is: one line on a terminal, few in a file."""

from __future__ import annotations

import io

import pytest

from nova_xloud.cmd.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("hosts", "lines"), [(19, []), (45, ["20 of 45", "40 of 45", "45 of 45"])], ids=["few", "many"]
)
def test_in_a_file_there_is_a_line_for_twenty_hosts(hosts: int, lines: list[str]) -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress(0, hosts, 500)
        for done in range(1, hosts + 1):
            progress(done, hosts, 900)
    assert stream.getvalue().splitlines() == [f"{line} hosts read" for line in lines]


def test_on_a_terminal_it_is_one_line() -> None:
    stream = Terminal()
    with Progress(stream) as progress:
        progress(0, 2, 500)
        progress(2, 2, 900)
    assert stream.getvalue() == (
        "\r0 of 2 hosts and 500 instances read\r2 of 2 hosts and 900 instances read\n"
    )


def test_the_line_ends_where_the_reading_does() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress(0, 2, 500)
    progress.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stream.getvalue().endswith("read\n")


def test_nothing_is_written_where_nothing_was_read() -> None:
    stream = Terminal()
    with Progress(stream):
        pass
    assert stream.getvalue() == ""
