"""Runs ``nova-xloud-status invariants`` many times, and imports Nova only once.

A process of its own has Nova configured as the command has it, and makes one check after another.
tests/e2e/test_lab.py tests the command itself.
"""

import io
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context

from lab import by_hand
from lab.layout import Layout

CHECK_SECONDS = 60


@dataclass(frozen=True)
class Verdict:
    """The outcome of one check.

    :ivar code: the command's exit code: 0 if every rule holds, 1 if one is broken, 2 if a rule
        could not be checked
    :ivar text: all that the command printed
    """

    code: int
    text: str


@dataclass(frozen=True)
class Checker:
    """The checker of one lab."""

    layout: Layout
    process: ProcessPoolExecutor

    def ask(self, *more: str) -> Verdict:
        """Check the whole cloud now.

        :param more: more options of the command
        :raises TimeoutError: the check takes more than ``CHECK_SECONDS``; it goes on in its process
        """
        code, text = self.process.submit(_check, [*by_hand.invariants(self.layout), *more]).result(
            CHECK_SECONDS
        )
        return Verdict(code, text)


@contextmanager
def checker(layout: Layout) -> Iterator[Checker]:
    """Start the process of a checker; at its end the block waits for a check that still runs."""
    with ProcessPoolExecutor(
        1, get_context("spawn"), _begin, (str(layout.site), by_hand.configuration(layout))
    ) as process:
        yield Checker(layout, process)


def _begin(site: str, options: list[str]) -> None:
    from nova_xloud.cmd import status

    # The lab's databases are opened with a plugin that is there.
    sys.path.insert(0, site)
    _configured.enter_context(status._configured(options))


# For as long as the process lives.
_configured = ExitStack()


def _check(arguments: list[str]) -> tuple[int, str]:
    from nova_xloud.cmd import status

    with redirect_stdout(io.StringIO()) as said:
        code = status.main(arguments, configured=lambda _: nullcontext())
    return code, said.getvalue()
