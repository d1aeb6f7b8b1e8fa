# SPDX-License-Identifier: Apache-2.0
"""A round that hangs while others are made: when it goes on, it changes nothing any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from nova_xloud.compute.autoscaling.loop import HANGS_AFTER
from nova_xloud.core.autoscaling.history import CLOCK_SET_BACK
from tests.unit.compute.autoscale_rig import INTERVAL, ScaledHost
from tests.unit.compute.test_autoscale_journal_again import assert_replays_to_the_same

ROUNDS = int((HANGS_AFTER + CLOCK_SET_BACK) / INTERVAL)


@contextmanager
def hangs_once(host: ScaledHost, name: str) -> Iterator[None]:
    """Have the next call of that name return when other rounds were made in the meantime."""
    really = getattr(host.guests, name)

    def call(*args: Any) -> Any:
        patch.stop()
        found = really(*args)
        host.round(ROUNDS)
        return found

    patch = mock.patch.object(host.guests, name, call)
    patch.start()
    yield
    assert getattr(host.guests, name) == really


@pytest.mark.parametrize("name", ["samples", "room"], ids=["libvirt", "Placement"])
def test_round_that_hung_changes_nothing(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = ScaledHost(journal=tmp_path)
    host.round(20)
    # More is wanted, so Placement is asked.
    host.rigs["a"].guest.work(1.9)
    before = host.rounds._states["a"].history
    with hangs_once(host, name):
        host.round()
    after = host.rounds._states["a"].history
    assert after.last is not None
    assert after.last.at == host.clock.wall()
    assert after.memory.track.since == before.memory.track.since is not None
    assert caplog.text.count("what it has read is dropped") == 1
    host.round(3)
    assert_replays_to_the_same(tmp_path)
