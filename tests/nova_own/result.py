# SPDX-License-Identifier: Apache-2.0
"""What was found about one suite, as data that can be stored and put together. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.nova_own.grown.report import GrownTest
from tests.nova_own.verdicts import Difference


@dataclass(frozen=True)
class Result:
    """Of one suite, or of one part of it.

    :ivar parts: which of how many are in it: ``{"1/4", "2/4"}``
    :ivar stock_for: ``all``; or ``failures``: stock Nova ran what did not pass with us only
    :ivar ours: how many tests have which verdict with nova-xloud; ``stock``: without
    :ivar excepted: listed exceptions that do differ; ``stale``: that do not
    :ivar uncollected: modules that cannot be imported either way
    :ivar grown: with grown instances, what each test has found
    """

    suite: str
    parts: tuple[str, ...]
    stock_for: str
    ours: dict[str, int]
    stock: dict[str, int]
    differences: tuple[Difference, ...] = ()
    flaky: tuple[Difference, ...] = ()
    excepted: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    uncollected: tuple[str, ...] = ()
    grown: tuple[GrownTest, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def clean(self) -> bool:
        """Whether stock Nova cannot tell, but for what is listed."""
        return not (self.differences or self.stale or self.uncollected)


def together(results: Iterable[Result]) -> list[Result]:
    """One result of each suite, of all its parts."""
    suites: dict[str, Result] = {}
    for result in results:
        known = suites.get(result.suite)
        suites[result.suite] = _both(known, result) if known else result
    return list(suites.values())


def dump(result: Result) -> str:
    """As JSON."""
    return json.dumps(dataclasses.asdict(result), indent=1)


def load(text: str) -> Result:
    """What :func:`dump` wrote."""
    data = json.loads(text)
    for name in ("differences", "flaky"):
        data[name] = tuple(Difference(**one) for one in data[name])
    data["grown"] = tuple(GrownTest(**one) for one in data.get("grown", ()))
    for name in ("parts", "excepted", "stale", "uncollected"):
        data[name] = tuple(data[name])
    return Result(**data)


def _both(one: Result, other: Result) -> Result:
    return Result(
        suite=one.suite,
        parts=one.parts + other.parts,
        stock_for=one.stock_for if one.stock_for == other.stock_for else "failures in some parts",
        ours=dict(Counter(one.ours) + Counter(other.ours)),
        stock=dict(Counter(one.stock) + Counter(other.stock)),
        differences=one.differences + other.differences,
        flaky=one.flaky + other.flaky,
        excepted=one.excepted + other.excepted,
        stale=one.stale + other.stale,
        uncollected=one.uncollected + other.uncollected,
        grown=one.grown + other.grown,
        seconds=one.seconds + other.seconds,
    )
