# SPDX-License-Identifier: Apache-2.0
"""What an upgrade check makes of what was read."""

from __future__ import annotations

from typing import Any

import pytest

from nova_xloud.core.checks.finding import Finding
from nova_xloud.core.checks.upgrade_check import (
    Issue,
    Level,
    StoredFlavor,
    Verdict,
    judge_balloons,
    judge_filters,
    judge_invariants,
    judge_release,
    judge_seams,
)
from nova_xloud.core.remedies.findings import FINDINGS
from nova_xloud.core.size import Size

SUCCESS, WARNING, FAILURE = Level.SUCCESS, Level.WARNING, Level.FAILURE
CLASH = "AggregateInstanceExtraSpecsFilter"


def flavor(name: str = "f", **specs: str) -> StoredFlavor:
    named = {spec.replace("__", ":"): value for spec, value in specs.items()}
    return StoredFlavor(name, Size(4, 1024), named)


def test_a_verdict_is_as_bad_as_its_worst_issue_which_comes_first() -> None:
    mild = Issue(WARNING, "a is 1", "make it 2")
    bad = Issue(FAILURE, "b is 3", "make it 4")
    verdict = Verdict("C was seen", (mild,)).and_also([bad])
    assert verdict.level is FAILURE
    assert verdict.details == "b is 3; make it 4. a is 1; make it 2. C was seen."
    assert (Verdict("C").level, Verdict("C").details) == (SUCCESS, "C.")


@pytest.mark.parametrize(
    ("found", "is_supported", "level", "words"),
    [
        ("34.0.0", True, SUCCESS, "Nova 34.0.0 is installed"),
        ("34.1.0", False, WARNING, "Nova 34.1.0 is installed here, and was not tested; it is used"),
        ("35.0.0", False, WARNING, "Nova 35.0.0 is installed here, and was not tested; it is used"),
        (None, False, FAILURE, "no Nova is installed"),
    ],
)
def test_release(found: str | None, is_supported: bool, level: Level, words: str) -> None:
    verdict = judge_release(found, is_supported, ("33.0", "34.0"))
    assert verdict.level is level
    assert words in verdict.details
    assert ("Nova 33.0, 34.0 were tested" in verdict.details) == (level is not SUCCESS)


def test_seams() -> None:
    assert judge_seams([]).level is SUCCESS
    verdict = judge_seams(["x: expected a, found b", "y: expected c, found d"])
    assert verdict.level is FAILURE
    assert "x: expected a, found b; install" in verdict.details
    assert "y: expected c, found d" in verdict.details


@pytest.mark.parametrize(
    ("filters", "flavors", "level", "words"),
    [
        (
            ["ComputeFilter"],
            [flavor(minimum_cpu="1")],
            SUCCESS,
            "as reported by nova-scheduler on a",
        ),
        ([CLASH], [flavor()], SUCCESS, f"nova-scheduler on a has {CLASH}"),
        ([CLASH], [flavor(xloud__minimum_cpu="1")], SUCCESS, "have to name xloud:minimum_cpu"),
        ([CLASH], [flavor("x", minimum_cpu="1")], FAILURE, "the flavors x find no host"),
        ([CLASH], [flavor("x", minimum_memory="1")], FAILURE, "the flavors x find no host"),
        (
            [CLASH],
            [flavor("x", minimum_cpu="1", xloud__minimum_cpu="1")],
            FAILURE,
            "the flavors x find no host",
        ),
    ],
)
def test_filters(filters: list[str], flavors: Any, level: Level, words: str) -> None:
    verdict = judge_filters({"nova-scheduler on a": filters}, flavors)
    assert verdict.level is level
    assert words in verdict.details


def test_a_filter_of_one_scheduler_is_enough() -> None:
    enabled = {"a": ["ComputeFilter"], "b": [CLASH]}
    verdict = judge_filters(enabled, [flavor(minimum_cpu="1")])
    assert verdict.level is FAILURE
    assert f"b has {CLASH}" in verdict.details
    assert "a has" not in verdict.details


MEMORY = [flavor("m", minimum_memory="512")]
OTHER = [flavor("c", minimum_cpu="1")]


@pytest.mark.parametrize(
    ("periods", "silent", "here", "flavors", "level", "words"),
    [
        ({"a": 10, "b": 1}, [], 0, MEMORY, SUCCESS, "is 10 on a, 1 on b"),
        (
            {"a": 0, "b": 1},
            [],
            10,
            MEMORY,
            FAILURE,
            "is 0 or less, as reported by nova-compute on a: no guest",
        ),
        ({"a": -1}, [], 10, MEMORY, FAILURE, "no server of m is placed there"),
        (
            {"a": 0},
            [],
            10,
            OTHER,
            WARNING,
            "is 0 or less, as reported by nova-compute on a: no guest",
        ),
        ({"a": 10}, ["b"], 10, MEMORY, WARNING, "nova-compute on b did not report"),
        ({"a": 10}, ["b"], 0, MEMORY, FAILURE, "is 0 or less, as reported by nova.conf here"),
        ({}, ["b"], 7, MEMORY, WARNING, "in nova.conf of this host it is 7"),
        ({}, [], 7, MEMORY, SUCCESS, "is 7 in nova.conf here"),
        ({}, [], 0, MEMORY, FAILURE, "is 0 or less, as reported by nova.conf here"),
    ],
)
def test_balloons(
    periods: dict[str, int], silent: list[str], here: int, flavors: Any, level: Level, words: str
) -> None:
    verdict = judge_balloons(periods, silent, here, flavors)
    assert verdict.level is level
    assert words in verdict.details
    if level is WARNING and flavors is OTHER:
        assert "is placed" not in verdict.details


def test_invariants() -> None:
    one = Finding("columns_differ", "i1", "h", "they say 1")
    two = Finding("columns_differ", "i2", "h", "they say 2")
    host = Finding("host_oversold", None, "h", "9 of 8")
    assert judge_invariants([], 7).details.startswith("7 elastic instances")
    verdict = judge_invariants([one, two, host], 7)
    assert verdict.level is FAILURE
    remedy = FINDINGS["columns_differ"].advice
    expected = f"columns_differ: instance i1: they say 1; instance i2: they say 2. {remedy}"
    assert expected in verdict.details
    assert "host_oversold: host h: 9 of 8" in verdict.details


def test_only_a_note_about_an_unread_guest_is_a_warning() -> None:
    boots = Finding("reserved_below_held", "i1", "h", "its balloon is on the way", note=True)
    down = Finding("guest_unknown", None, "h", "nova-compute there is down", note=True)
    assert judge_invariants([boots], 1).level is SUCCESS
    verdict = judge_invariants([boots, down], 1)
    assert verdict.level is WARNING
    assert "guest_unknown: host h: nova-compute there is down" in verdict.details
    assert "on the way" not in verdict.details
