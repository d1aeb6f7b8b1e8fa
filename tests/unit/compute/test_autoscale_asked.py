# SPDX-License-Identifier: Apache-2.0
"""Whether automatic growth or a person has changed the desired size, as the rounds see it."""

from __future__ import annotations

from pathlib import Path

from nova_xloud.compute.autoscaling.journal import CURRENT, read
from nova_xloud.conf import AutoscaleOptions
from nova_xloud.core.autoscaling.journal import Entry
from nova_xloud.core.autoscaling.replay import replayed
from tests.unit.compute.autoscale_rig import ScaledHost
from tests.unit.compute.rig import MAXIMUM

SHORT = AutoscaleOptions(window=300.0, interval=5.0)


def _asked(folder: Path) -> list[tuple[str, ...]]:
    """What the journal has as asked for by others than automatic growth, where it has any."""
    written = [one for one in read(folder / CURRENT) if isinstance(one, Entry)]
    assert list(replayed(read(folder / CURRENT))) == written
    return [one.sample.asked for one in written if one.sample.asked]


def _change(host: ScaledHost, vcpus: int | None = None, memory_mb: int | None = None) -> None:
    """A person adjusts the server, and the rounds learn of it."""
    host.rigs["a"].adjust(vcpus, memory_mb)
    host.learn()


def test_smaller_size_of_a_person_is_no_shrink_of_automatic_growth(tmp_path: Path) -> None:
    host = ScaledHost(now=MAXIMUM, journal=tmp_path)
    host.round(10)
    _change(host, memory_mb=MAXIMUM.memory_mb // 2)
    host.round()
    track = host.rounds._states["a"].history.memory.track
    assert track.changed_at is not None
    assert track.shrink is None
    host.round(3)
    assert _asked(tmp_path) == [("memory_mb",)]


def test_shrink_of_automatic_growth_is_its_own(tmp_path: Path) -> None:
    host = ScaledHost(now=MAXIMUM, options=SHORT, journal=tmp_path)
    host.until(lambda: host.desired != MAXIMUM, rounds=300)
    host.round()
    tracks = [one.history for one in host.rounds._states.values()]
    assert tracks[0].memory.track.shrink is not None or tracks[0].cpu.track.shrink is not None
    assert _asked(tmp_path) == []


def test_other_resource_of_a_persons_request_stays_automatic_growths_own(tmp_path: Path) -> None:
    host = ScaledHost(now=MAXIMUM, options=SHORT, journal=tmp_path)
    host.until(lambda: host.desired.vcpus != MAXIMUM.vcpus, rounds=300)
    _change(host, memory_mb=MAXIMUM.memory_mb)
    host.round(2)
    assert host.rounds._states["a"].history.cpu.track.shrink is not None
    assert ("vcpus",) not in _asked(tmp_path)
