# SPDX-License-Identifier: Apache-2.0
"""Random sequences of operations: the same few in each run, or others for as long as is wanted.

``make random MINUTES=30 SEED=7`` sets the two variables of the environment that are read here.
"""

import contextlib
import os
import time

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.sequences.under_way import AnySequenceWithRuns

MINUTES = float(os.environ.get("NOVA_XLOUD_RANDOM_MINUTES", 0))
SEED = int(os.environ.get("NOVA_XLOUD_RANDOM_SEED") or time.time())

SETTINGS = settings(
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[*HealthCheck],
    print_blob=False,
)
# With 10 examples or more the first tenth would be of the simplest choices only.
USUAL = settings(SETTINGS, derandomize=True, max_examples=3, stateful_step_count=9)
LONG = settings(SETTINGS, max_examples=9, stateful_step_count=30)


@pytest.fixture
def machine(origin):
    return type("AnySequence", (AnySequenceWithRuns,), {"origin": origin})


def test_no_sequence_of_operations_leaves_anything_wrong(machine, capsys):
    lines = []

    def journal(line):
        lines.append(line)
        with capsys.disabled() if MINUTES else contextlib.nullcontext():
            print(line, flush=True)  # noqa: T201

    machine.journal = staticmethod(journal)
    if MINUTES:
        _run_for_long(machine, journal, lines)
    else:
        run_state_machine_as_test(machine, settings=USUAL)
    # A cloud that refuses everything has nothing wrong in it either.
    accepted = {line.partition("(")[0] for line in lines if line.endswith(": ok")}
    assert "create" in accepted, lines
    assert any(name.startswith("adjust") for name in accepted), lines
    assert any(name.endswith("_meets_a_run") for name in accepted), lines
    assert len(accepted) >= 5, accepted


def _run_for_long(machine, journal, lines):
    end, number = time.monotonic() + 60 * MINUTES, SEED
    while time.monotonic() < end:
        journal(f"== SEED={number}, {len(lines)} lines so far")
        run_state_machine_as_test(seed(number)(machine), settings=LONG)
        number += 1
