# SPDX-License-Identifier: Apache-2.0
"""What tests with grown instances have found: data of each test, and the words for it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.nova_own.verdicts import MISSING, PASSED, SKIPPED, Run, module

HEAD = (
    *("module", "tests", "servers grown", "tests with a grown server"),
    *("of them as in stock", "tests without", "tests that differ"),
)


@dataclass(frozen=True)
class GrownTest:
    """What one test has found with grown instances.

    :ivar servers: how many servers were grown in it
    :ivar why_not: how many servers were not grown, by the reason
    :ivar ours: its verdict with grown instances; ``stock``: in stock Nova
    :ivar message: why it failed with grown instances; empty if it did not
    """

    name: str
    servers: int
    why_not: dict[str, int] = field(default_factory=dict)
    ours: str = PASSED
    stock: str = PASSED
    message: str = ""

    @property
    def differs(self) -> bool:
        """Whether stock Nova has another verdict."""
        return self.ours != self.stock


def grown_tests(ours: Run, stock: Run) -> tuple[GrownTest, ...]:
    """Return what the tests of a run with grown instances have found, by name.

    A test that was not run in stock Nova is taken to pass there. That is so if stock Nova ran only
    what did not pass with grown instances.
    """
    return tuple(
        GrownTest(
            name,
            found["servers"],
            found["why_not"],
            ours.verdict(name),
            PASSED if stock.verdict(name) == MISSING else stock.verdict(name),
            ours.messages.get(name, ""),
        )
        for name, found in sorted(ours.grown.items())
    )


def rows(tests: Sequence[GrownTest]) -> Iterable[tuple[str, ...]]:
    """Return the row of each module below ``HEAD``, and one of all modules."""
    names = sorted({module(test.name) for test in tests})
    for name in names:
        yield _row(name, [test for test in tests if module(test.name) == name])
    if len(names) > 1:
        yield _row("all", tests)


def _row(name: str, tests: Sequence[GrownTest]) -> tuple[str, ...]:
    with_grown = [test for test in tests if test.servers]
    numbers = (
        *(len(tests), sum(test.servers for test in tests), len(with_grown)),
        sum(not test.differs for test in with_grown),
        *(len(tests) - len(with_grown), sum(test.differs for test in tests)),
    )
    return name.removeprefix("nova/tests/"), *map(str, numbers)


def line(test: GrownTest) -> str:
    """Return what one test has found, in words."""
    grown = f"{test.servers} grown" if test.servers else "no server grown"
    said = "as in stock" if not test.differs else f"stock {test.stock}, grown {test.ours}"
    text = f"{test.name.removeprefix('nova/tests/')}: {grown}; {said}"
    if test.differs and test.message:
        text += f": {test.message}"
    if test.why_not:
        text += f". Not grown: {_counted(test.why_not)}"
    elif not test.servers:
        text += (
            ". Skipped, or expected to fail, by Nova"
            if test.ours == SKIPPED
            else ". No server is seen as ACTIVE"
        )
    return text


def reasons(tests: Sequence[GrownTest]) -> Iterable[str]:
    """Return why servers of all tests were not grown, in words, the most frequent reason first."""
    counted = sum((Counter(test.why_not) for test in tests), Counter())
    for why, servers in counted.most_common():
        yield f"{why}: {servers} servers"
    none = [test for test in tests if not test.servers and not test.why_not]
    if skipped := sum(test.ours == SKIPPED for test in none):
        yield f"skipped, or expected to fail, by Nova: {skipped} tests"
    if none[skipped:]:
        yield f"no server is seen as ACTIVE: {len(none) - skipped} tests"


def _counted(why_not: dict[str, int]) -> str:
    return ", ".join(f"{why} ({servers})" for why, servers in why_not.items())
