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


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (steps.Claim(Size(3, 768)), "claim 3 vCPUs, 768 MiB"),
        (steps.Release(Size(1, 512)), "release all but 1 vCPUs, 512 MiB"),
        (steps.SetMemory(640), "balloon to 640 MiB"),
        (steps.SetVcpus(2), "vCPUs to 2"),
        (steps.SetOnline(2), "CPUs online in the guest, through its agent, to 2"),
        (steps.MarkRemoval(1), "write down that vCPUs go, down to 1"),
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
