# SPDX-License-Identifier: Apache-2.0
"""Words in a table, itself in JSON."""

from __future__ import annotations

import dataclasses

import pytest

from nova_xloud.client import in_words
from nova_xloud.client.commands import columns, show
from nova_xloud.core.convergence import steps
from nova_xloud.core.convergence.dry_run import described
from nova_xloud.core.size import Size
from tests.unit.client.bodies import autoscale, converged, status


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (columns.SizeColumn, {"vcpus": 3, "memory_mb": 768}, "3 vCPUs, 768 MiB"),
        (columns.SizeColumn, {"memory_mb": 768}, "768 MiB"),
        (columns.SizeColumn, None, ""),
        (columns.NumbersColumn, {"desired": 3, "actuated": None}, "desired 3, actuated unknown"),
        (columns.RefusalColumn, None, ""),
        (columns.RefusalColumn, {"code": "xloud.quota", "message": "why"}, "xloud.quota: why"),
        (columns.ListColumn, ["a", "b"], "a\nb"),
    ],
)
def test_columns(column: type, value: object, words: str) -> None:
    made = column(value)
    assert made.human_readable() == words
    assert made.machine_readable() == value


SCALED = autoscale(
    "on",
    requested="on",
    recommendation={"vcpus": 3, "memory_mb": 768},
    reasons=[{"resource": "vcpus", "code": "grow.cpu_busy", "message": "all are used"}],
    since="2026-11-30T12:00:00Z",
    age_seconds=2,
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (autoscale(), "off"),
        (
            autoscale("observe"),
            "observe (the flavor's, or the cloud's), profile balanced, weight 100\n"
            "no recommendation: the guest does not run, or has no figures yet, or the server's "
            "compute host was not asked",
        ),
        (
            SCALED,
            "on (requested), profile balanced, weight 100\n"
            "recommended: 3 vCPUs, 768 MiB since 2026-11-30T12:00:00Z\n"
            "vcpus: grow.cpu_busy: all are used\n"
            "the guest's figures are 2 s old",
        ),
    ],
)
def test_autoscale_says_mode_recommendation_reasons_and_age(value: object, words: str) -> None:
    assert columns.AutoscaleColumn(value).human_readable() == words


CONDITIONS = [
    {"type": "GaveUp", "status": True, "reason": "xloud.a", "message": "why and how", "since": "T"},
    {"type": "Booting", "status": True, "reason": "xloud.b", "message": "", "since": ""},
    {"type": "More", "status": True, "reason": "xloud.a", "message": "why and how", "since": "T"},
]


def test_condition_is_wrapped_to_the_width_and_indented_under_its_type() -> None:
    column = columns.ConditionsColumn(CONDITIONS)
    assert column.human_readable().splitlines() == [
        "GaveUp: True since T",
        "  xloud.a: why and how",
        "Booting: True",
        "  xloud.b",
        "More: True since T",
        "  xloud.a",
    ]
    column.width = 15
    assert column.human_readable().splitlines()[:4] == [
        "GaveUp: True",
        "since T",
        "  xloud.a: why",
        "  and how",
    ]
    assert column.machine_readable() == CONDITIONS


def test_a_number_is_not_parted_from_its_name() -> None:
    column = columns.NumbersColumn({"desired": 3, "reserved": 3, "actuated": 3, "observed": 3})
    column.width = 34
    assert column.human_readable() == "desired 3, reserved 3, actuated 3,\nobserved 3"
    column.width = 39
    assert column.human_readable() == "desired 3, reserved 3, actuated 3,\nobserved 3"


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("short", 0, ["short"]),
        ("a command-with-hyphens", 12, ["a", "command-with", "-hyphens"]),
        ("run nova-xloud-run", 14, ["run", "nova-xloud-run"]),
        ("xloud.guest_refused.no_statistics", 20, ["xloud.guest_refused.", "no_statistics"]),
        ("two\nlines", 20, ["two", "lines"]),
    ],
)
def test_wrap(text: str, width: int, lines: list[str]) -> None:
    assert columns.wrap(text, width).splitlines() == lines


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (steps.Claim(Size(3, 768)), "claim 3 vCPUs, 768 MiB"),
        (steps.Release(Size(1, 512)), "release what is claimed beyond 1 vCPU, 512 MiB"),
        (steps.SetMemory(640), "set the guest's memory to 640 MiB"),
        (steps.SetVcpus(2), "set the guest's vCPUs to 2"),
        (steps.SetOnline(2), "bring 2 CPUs online in the guest, through the guest's agent"),
        (steps.MarkRemoval(1), "record that vCPUs are being removed, down to 1"),
        (steps.Await("code", "it moves", 3), "wait until it moves"),
        (steps.Stuck("code", "it is full"), "stuck: it is full"),
        (steps.Deferred("it is paused"), "deferred: it is paused"),
        (steps.NoRoom(Size(2, 512)), "short vcpus 2, memory_mb 512"),
    ],
)
def test_every_step_that_a_plan_may_have_is_in_words(step: steps.Step, words: str) -> None:
    assert dataclasses.is_dataclass(step)
    assert in_words.step(described(step)) == words


def test_a_step_of_a_later_version_is_shown_as_it_is() -> None:
    assert in_words.step({"step": "defragment", "mib": 5}) == "defragment mib 5"


FORGED = "web\x1b[2J\nforged\u202e"
SAFE = "web\\x1b[2J\\nforged\\u202e"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (columns.NameColumn, FORGED),
        (columns.RefusalColumn, {"code": "xloud.quota", "message": FORGED}),
        (columns.ListColumn, [FORGED]),
        (columns.BlockersColumn, [{"resource": "vcpus", "code": "xloud.a", "message": FORGED}]),
        (columns.ConditionsColumn, [{**CONDITIONS[0], "message": FORGED}]),
        (columns.StepsColumn, [{"step": "stuck", "why": FORGED}]),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(column: type, value: object) -> None:
    shown = column(value).human_readable()
    assert SAFE in shown
    assert not set(shown) & {"\x1b", "\u202e"}
    assert column(value).machine_readable() == value


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("xloud.host_unsupported", "from Nova's database, not from the compute host"),
        (
            "xloud.host_unavailable",
            "only the flavor is known: desired and reserved are not the server's own",
        ),
    ],
)
def test_state_says_what_a_status_of_the_database_is_of(reason: str, words: str) -> None:
    told = status(None, None, converged(reason), source="database")
    assert show._state(told) == f"not converged: {reason} ({words})"


@pytest.mark.parametrize(
    ("recommendation", "differs"),
    [
        (None, False),
        ({"vcpus": 1, "memory_mb": 512}, False),
        ({"vcpus": 2, "memory_mb": 512}, True),
    ],
)
def test_status_says_whether_another_size_is_recommended(
    recommendation: dict[str, int] | None, differs: bool
) -> None:
    told = status(autoscale=autoscale("observe", recommendation=recommendation))
    assert told.recommends_change is differs


def test_answer_of_an_older_api_says_nothing_of_automatic_growth() -> None:
    told = status(autoscale=None)
    assert told.autoscale is None
    assert not told.recommends_change
