# SPDX-License-Identifier: Apache-2.0
"""Verdicts of one run, and what two runs differ in. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
# In one run only.
MISSING = "missing"

# A test has several reports: of its subtests, of its tear-down. One that failed decides.
_WORST_FIRST = (FAILED, SKIPPED, PASSED)

# pytest's exit codes: all passed, some failed, none was collected. With others not all were run.
_RAN = (0, 1, 5)


class Broken(Exception):
    """A run that says nothing: it broke off, or ran no test."""


@dataclass(frozen=True)
class Run:
    """What one run of pytest found.

    :ivar verdicts: by test id
    :ivar messages: why, by the id of a test or module that failed
    :ivar uncollected: the modules that could not be imported
    :ivar grown: in a run with grown instances, by test id: ``{"servers", "why_not"}``
    """

    verdicts: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    uncollected: frozenset[str] = frozenset()
    grown: dict[str, dict[str, Any]] = field(default_factory=dict)

    def verdict(self, name: str) -> str:
        """Of a test, or of the collection of a module."""
        if name in self.uncollected:
            return FAILED
        return self.verdicts.get(name, MISSING)

    def count(self) -> Counter[str]:
        """How many tests have which verdict."""
        return Counter(self.verdicts.values())


def read(lines: Iterable[str]) -> Run:
    """What :mod:`.recorder` has written.

    :raises Broken: the run is not whole
    """
    verdicts: dict[str, str] = {}
    messages: dict[str, str] = {}
    uncollected = set()
    grown = {}
    code = None
    for record in map(json.loads, lines):
        if "exit" in record:
            code = record["exit"]
        elif "module" in record:
            uncollected.add(record["module"])
            messages[record["module"]] = record["message"]
        else:
            name = record["id"]
            known = (record["verdict"], verdicts.get(name, PASSED))
            verdicts[name] = min(known, key=_WORST_FIRST.index)
            if record["verdict"] == FAILED:
                messages[name] = record["message"]
            if "grown" in record:
                grown[name] = record["grown"]
    _whole(code, verdicts, uncollected)
    return Run(verdicts, messages, frozenset(uncollected), grown)


def _whole(code: int | None, tests: Collection[str], uncollected: Collection[str]) -> None:
    if code is None:
        raise Broken("it broke off")
    if code not in _RAN:
        raise Broken(f"pytest ended with exit code {code}")
    # xdist reports so that its workers do not agree on what there is.
    for name in uncollected:
        if not name.startswith("nova/tests/"):
            raise Broken(f"{name} could not collect the tests")
    # Two tests of one id would be one.
    for name in tests:
        if not name.startswith("nova/tests/"):
            raise Broken(f"{name} does not say which module of nova/tests it is in")


@dataclass(frozen=True)
class Difference:
    """A test, or the collection of a module, with another verdict than in stock Nova."""

    name: str
    ours: str
    stock: str
    message: str = ""


def differences(ours: Run, stock: Run, among: Collection[str] | None = None) -> list[Difference]:
    """What two runs differ in, by name.

    A module that one run could not collect counts as one difference, not one for each test.

    :param among: look at these only
    """
    lost = ours.uncollected | stock.uncollected
    tests = {name for name in {*ours.verdicts, *stock.verdicts} if module(name) not in lost}
    names = (tests | lost).intersection(among) if among is not None else tests | lost
    return [
        Difference(name, ours.verdict(name), stock.verdict(name), _message(name, ours, stock))
        for name in sorted(names)
        if ours.verdict(name) != stock.verdict(name)
    ]


def settle(
    suspects: Iterable[Difference], ours: Sequence[Run], stock: Sequence[Run]
) -> tuple[list[Difference], list[Difference]]:
    """Tell the real differences from flaky tests.

    :param ours: runs of the suspects alone
    :param stock: runs of the suspects alone, without nova-xloud
    :returns: those that differ in every run, each run being of one mind; and the others
    """
    real, flaky = [], []
    for suspect in suspects:
        with_us = {run.verdict(suspect.name) for run in ours}
        without = {run.verdict(suspect.name) for run in stock}
        steady = len(with_us) == len(without) == 1 and with_us != without
        (real if steady else flaky).append(suspect)
    return real, flaky


def module(test_id: str) -> str:
    """The file of a test."""
    return test_id.partition("::")[0]


def _message(name: str, ours: Run, stock: Run) -> str:
    return ours.messages.get(name) or stock.messages.get(name, "")
