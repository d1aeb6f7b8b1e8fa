# SPDX-License-Identifier: Apache-2.0
"""Ten thousand histories, and none goes wrong; each of them again, and it goes the same way."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulator.__main__ import counted
from tests.simulator.history import live
from tests.simulator.schedule import Violation

HISTORIES = 10_000
# So many in one test that the workers of pytest-xdist share them evenly.
BATCH = 100

# Each kind of trouble, each step of the engine, and each of its answers.
HAPPENS = (
    *("nova-compute is killed", "reconcile pass", "tenant comes", "guest ends by itself"),
    *("answer lost: claim_lost", "answer lost: record_lost", "answer lost: libvirt_lost"),
    *("answer: ClaimConflict", "answer: NoCapacity", "answer: PlacementUnavailable"),
    *("answer: InvalidState", "answer: RemovalTimedOut", "answer: DomainCallFailed"),
    *("message: request lost", "message: answer lost", "message: late"),
    *("message: delivered twice", "libvirt is slow", "guest restarts itself"),
    *(f"inventory: {how}" for how in ("capacity", "class", "max_unit")),
    *("live migration away", "live migration back", "live migration is rolled back"),
    *("guest boots", "guest boots as it was defined before", "vm_state ERROR, its guest runs"),
    *("answer: ClaimRefused", "refused: held by an operation", "step: definition"),
    *(f"condition: {name}" for name in ("BalloonNotEffective", "CpusNotOnline")),
    *(f"condition: {name}" for name in ("RemovalUnsettled", "ReservedTooLittle")),
    *(f"guest: {name}" for name in ("cooperative", "intermittent", "no_balloon_driver")),
    *(f"guest: {name}" for name in ("no_online", "refuses", "removal_times_out", "takes_back")),
    *(f"phase: {name}" for name in ("admitted", "converged", "deferred", "failed")),
    *("phase: guest_refused", "condition: GaveUp", "guest: silent_driver"),
    *(f"refused: xloud.{name}" for name in ("blocked.removal_unsettled", "host_unavailable")),
    *(f"refused: xloud.{name}" for name in ("invalid_state", "no_capacity", "not_found")),
    *(f"refused: xloud.{name}" for name in ("out_of_bounds", "placement_unavailable")),
    *(f"step: balloon, {way}" for way in ("less", "more", "stop")),
    *(f"step: {name}" for name in ("claim", "release", "plug vCPUs", "unplug vCPUs")),
    *("step: removal begins", "step: removal settled", "step: forget what was not persisted"),
    "step: agent brings vCPUs online, or takes them offline",
    *("step: statistics often", "step: statistics as usual"),
    *(f"user: {name}" for name in ("delete", "migrate", "pause", "reboot", "resize", "resume")),
    *(f"user: {name}" for name in ("start", "stop", "suspend", "unpause", "volume")),
    *(f"user: {name}" for name in ("live_migrate", "live_return", "soft_reboot")),
    *(f"user: {name}" for name in ("rebuild", "rescue", "unrescue")),
)


@pytest.mark.parametrize("first", range(0, HISTORIES, BATCH))
def test_no_history_goes_wrong(first: int) -> None:
    wrong = {}
    for seed in range(first, first + BATCH):
        try:
            live(seed)
        except Violation as violation:
            wrong[seed] = str(violation)
    assert not wrong, "python -m tests.simulator SEED prints one of them"


def test_everything_happens() -> None:
    counts = counted(900)
    assert [what for what in HAPPENS if not counts[what]] == []


@pytest.mark.parametrize("seed", [3, 14])
def test_a_seed_replays_its_history_exactly_in_any_process(seed: int) -> None:
    def printed(hash_seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-m", "tests.simulator", str(seed)]
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout

    assert len(printed("1").splitlines()) > 10
    assert printed("1") == printed("2")


def test_to_print_a_history_does_not_change_it() -> None:
    assert live(14).counts == live(14, []).counts
