"""``nova-xloud-status invariants`` after every test, without Nova's import after every test.

One process of its own has Nova configured as the command has it, and answers again and again. That
the command itself works is a test of test_lab.py.
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
    """What the checker said.

    :ivar code: its exit code: 0 when every rule holds, 1 when one is broken
    :ivar text: all that it printed
    """

    code: int
    text: str


@dataclass(frozen=True)
class Checker:
    """The checker of one lab."""

    layout: Layout
    process: ProcessPoolExecutor

    def ask(self, *more: str) -> Verdict:
        """Check the whole cloud now."""
        code, text = self.process.submit(_check, [*by_hand.invariants(self.layout), *more]).result(
            CHECK_SECONDS
        )
        return Verdict(code, text)


@contextmanager
def checker(layout: Layout) -> Iterator[Checker]:
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
