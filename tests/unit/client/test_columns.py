# SPDX-License-Identifier: Apache-2.0
"""Words in a table, itself in JSON."""

from __future__ import annotations

import dataclasses

import pytest

from nova_xloud.client.commands import columns
from nova_xloud.core.convergence import steps
from nova_xloud.core.convergence.dry_run import described
from nova_xloud.core.size import Size


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


CONDITIONS = [
    {"type": "GaveUp", "status": True, "reason": "xloud.a", "message": "why and how", "since": "T"},
    {"type": "Booting", "status": True, "reason": "xloud.b", "message": "", "since": ""},
    {"type": "More", "status": True, "reason": "xloud.a", "message": "why and how", "since": "T"},
]


def test_text_is_wrapped_to_its_width_and_a_condition_is_indented_under_its_type() -> None:
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
        (steps.Release(Size(1, 512)), "release what is claimed beyond 1 vCPUs, 512 MiB"),
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
    assert columns.step(described(step)) == words


def test_a_step_of_a_later_version_is_shown_as_it_is() -> None:
    assert columns.step({"step": "defragment", "mib": 5}) == "defragment mib 5"
