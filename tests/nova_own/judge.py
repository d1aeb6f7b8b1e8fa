# SPDX-License-Identifier: Apache-2.0
"""Run a suite with nova-xloud and without, and judge what differs."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.nova_own.exceptions import Exceptions
from tests.nova_own.grown.report import grown_tests
from tests.nova_own.pytest_run import Pytest
from tests.nova_own.result import Result
from tests.nova_own.verdicts import (
    PASSED,
    Broken,
    Difference,
    Run,
    differences,
    module,
    settle,
)

# How often a test that differs is run again, each way.
AGAIN = 3


@dataclass(frozen=True)
class Task:
    """A suite, or a part of it.

    :ivar root: the folder ``nova/tests``
    :ivar part: ``1/4``
    :ivar stock_for: ``all`` or ``failures``
    :ivar again: how often a test that differs is run again, each way
    """

    suite: str
    files: Sequence[pathlib.Path]
    root: pathlib.Path
    part: str
    stock_for: str
    again: int = AGAIN

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.suite}-{self.part.replace('/', 'of')}"

    def files_of(self, tests: set[str]) -> list[pathlib.Path]:
        """The modules that some tests are in."""
        modules = {module(name) for name in tests}
        return [file for file in self.files if self.module_of(file) in modules]

    def module_of(self, file: pathlib.Path) -> str:
        """A file's name in the id of its tests."""
        return f"nova/tests/{file.relative_to(self.root).as_posix()}"


def judge(task: Task, pytest: Pytest, exceptions: Exceptions) -> Result:
    """Run it both ways; what differs, again.

    :raises Broken: a run says nothing
    """
    began = time.monotonic()
    ours = _whole(task, pytest, "ours")
    if task.stock_for == "all":
        among = None
        stock = _whole(task, pytest, "stock")
    else:
        among = {name for name in ours.verdicts if ours.verdict(name) != PASSED}
        among |= ours.uncollected | set(exceptions.reasons)
        stock = _some(task, pytest, "stock", among)
    suspects = differences(ours, stock, among)
    # Of one that is listed a reason is known: it has not to be told from a flaky one.
    known = [one for one in suspects if one.name in exceptions.reasons]
    real, flaky = _again(task, pytest, [one for one in suspects if one not in known])
    if among is not None:
        flaky = _after_others(task, pytest, flaky, ours, stock)
    return _result(task, exceptions, ours, stock, known + real, flaky, time.monotonic() - began)


def _whole(task: Task, pytest: Pytest, way: str) -> Run:
    run = pytest.run(f"{task.name}-{way}", task.files, stock=way == "stock")
    if not run.verdicts:
        raise Broken(f"{task.name}-{way}: no test ran. See {pytest.folder}")
    return run


def _some(task: Task, pytest: Pytest, way: str, tests: set[str], label: str = "") -> Run:
    files = task.files_of(tests)
    if not files:
        return Run()
    return pytest.run(f"{task.name}-{way}{label}", files, stock=way == "stock", only=tests)


def _again(
    task: Task, pytest: Pytest, suspects: list[Difference]
) -> tuple[list[Difference], list[Difference]]:
    """By themselves and one after the other: most that are flaky are so under load."""
    tests = {suspect.name for suspect in suspects}
    alone = Pytest(pytest.folder, workers=0, grown=pytest.grown)
    runs = {
        way: [_some(task, alone, way, tests, f"-again-{n + 1}") for n in range(task.again)]
        for way in ("ours", "stock")
        if tests
    }
    return settle(suspects, runs.get("ours", ()), runs.get("stock", ()))


def _after_others(
    task: Task, pytest: Pytest, flaky: list[Difference], ours: Run, stock: Run
) -> list[Difference]:
    """Leave out of ``flaky`` what does the same in stock Nova, after the others of its module.

    In stock Nova it ran without the tests that passed with us, and one of those may be what it
    fails after. ``stock`` gets the verdicts of those that are left out.
    """
    modules = {module(one.name) for one in flaky}
    tests = {name for name in ours.verdicts if module(name) in modules}
    run = _some(task, pytest, "stock", tests, "-modules")
    same = [one for one in flaky if run.verdict(one.name) == one.ours]
    stock.verdicts.update({one.name: one.ours for one in same})
    return [one for one in flaky if one not in same]


def _result(
    task: Task,
    exceptions: Exceptions,
    ours: Run,
    stock: Run,
    real: list[Difference],
    flaky: list[Difference],
    seconds: float,
) -> Result:
    uncollected = ours.uncollected & stock.uncollected
    differing = {one.name for one in real} | uncollected
    modules = {task.module_of(file) for file in task.files}
    listed = exceptions.reasons
    return Result(
        suite=task.suite,
        parts=(task.part,),
        stock_for=task.stock_for,
        ours=dict(ours.count()),
        stock=dict(stock.count()),
        differences=tuple(one for one in real if one.name not in listed),
        flaky=tuple(flaky),
        excepted=tuple(sorted(differing & set(listed))),
        stale=tuple(exceptions.stale(modules, differing | {one.name for one in flaky})),
        uncollected=tuple(sorted(uncollected - set(listed))),
        grown=grown_tests(ours, stock),
        seconds=seconds,
    )
