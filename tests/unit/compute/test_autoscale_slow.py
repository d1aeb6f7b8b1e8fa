# SPDX-License-Identifier: Apache-2.0
"""A call to libvirt that takes seconds, because the QEMU of another guest answers late."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from nova_xloud.core.autoscaling.recommendation import Recommendation
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.size import Size
from tests.unit.compute.autoscale_rig import OPTIONS, ScaledHost

SLOW = 4.0


@contextmanager
def slow_calls(host: ScaledHost, before: float, after: float) -> Iterator[None]:
    """Have each call wait for so many seconds before and after it reads the guests.

    The balloon drivers report when a call begins, so this is the time of its samples: see
    ``read_samples``.
    """
    really: Callable[..., Mapping[str, GuestSample]] = host.guests.samples

    def samples(*args: Any) -> dict[str, GuestSample]:
        began = host.clock.wall()
        host.clock.advance(before)
        found = really(*args)
        host.clock.advance(after)
        return {
            uuid: replace(one, at=began, reported_at=one.reported_at and began)
            for uuid, one in found.items()
        }

    with mock.patch.object(host.guests, "samples", samples):
        yield


def step(host: ScaledHost, took: float = 0.0) -> None:
    """Make the next round, an interval after the last one has begun."""
    host.clock.advance(OPTIONS.interval - took)
    host.rounds.run_round()


def advice(host: ScaledHost) -> Recommendation:
    told = host.rounds._states["a"].recommendation
    assert told is not None
    return told


@pytest.mark.parametrize(("before", "after"), [(SLOW, 0.0), (0.0, SLOW)], ids=["late", "early"])
@pytest.mark.parametrize("share", [0.4, 0.6])
def test_one_slow_call_looks_like_no_load(before: float, after: float, share: float) -> None:
    host = ScaledHost()
    host.rigs["a"].guest.work(2 * share)
    host.round(20)
    with slow_calls(host, before, after):
        step(host)
    assert advice(host).memory_mb.need is not None
    for took in (SLOW, 0.0, 0.0):
        step(host, took)
        assert advice(host).memory_mb.need is not None
    # A false peak would hold the vCPUs for the whole window.
    assert (host.desired.vcpus, advice(host).vcpus.floor) == (2, 2)
    assert advice(host).vcpus.need == pytest.approx(2 * share, rel=0.05)


@pytest.mark.parametrize(("before", "after"), [(SLOW, 0.0), (0.0, SLOW)], ids=["late", "early"])
def test_guest_grows_though_each_call_is_slow(before: float, after: float) -> None:
    host = ScaledHost()
    with slow_calls(host, before, after):
        for _ in range(10):
            step(host, SLOW)
        host.rigs["a"].guest.work(8)
        host.rigs["a"].guest.uses_kib += 500 * 1024
        for _ in range(12):
            step(host, SLOW)
    assert host.desired.vcpus == 8
    assert host.desired.memory_mb > 1024


def test_only_memory_grows_while_each_call_takes_another_time() -> None:
    host = ScaledHost()
    host.round(3)
    host.rigs["a"].guest.work(8)
    host.rigs["a"].guest.uses_kib += 500 * 1024
    for took in 10 * (2.0, 4.0):
        with slow_calls(host, 0.0, took):
            step(host, took)
    assert host.desired.vcpus == 2
    assert host.desired.memory_mb > 1024


def test_nothing_shrinks_by_figures_older_than_two_intervals() -> None:
    size, window = Size(4, 4096), OPTIONS.__class__(window=120.0)
    rounds = (one := ScaledHost(now=size, options=window)).until(lambda: one.desired != size)
    host = ScaledHost(now=size, options=window)
    host.round(rounds - 1)
    with slow_calls(host, 0.0, 2 * OPTIONS.interval + 1):
        host.round()
    assert host.status()["recommendation"] != {"vcpus": 4, "memory_mb": 4096}
    assert host.desired == size


def test_slow_call_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    host = ScaledHost()
    host.round(2)
    with slow_calls(host, 0.0, SLOW):
        host.round(3)
    assert caplog.text.count("libvirt took 4.0 s") == 1
