# SPDX-License-Identifier: Apache-2.0
"""A resource that cannot be adjusted does not keep the other from being adjusted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from nova_xloud.core.size import Size
from nova_xloud.errors import GuestRefused, HostUnavailable
from nova_xloud.testing import Behaviour, FakeGuest
from tests.unit.compute.autoscale_rig import OPTIONS, ScaledHost
from tests.unit.compute.rig import MAXIMUM

# Seconds of the window after which an idle guest shrinks.
WINDOW = 300.0
# Rounds in which the pauses after refusals of vCPUs have grown to their longest.
LONG = 150


def wants_both(host: ScaledHost) -> None:
    """The guest's CPUs are busy, and nearly all of its memory is used."""
    guest = host.rigs["a"].guest
    guest.work(8)
    guest.uses_kib = 950 * 1024


def without_quota(host: ScaledHost) -> None:
    """The project has no quota left for cores, and enough for memory."""
    host.guests.limits["a"] = Size(2, 4096)


def without_room(host: ScaledHost) -> None:
    """Others have taken the last CPUs since arbitration has asked Placement."""
    host.rigs["a"].claims.others = Size(host.capacity.vcpus - 2, 0)


def removal_pending(host: ScaledHost) -> None:
    """A removal of a vCPU has timed out, and the guest has not answered it yet."""
    rig = host.rigs["a"]
    rig.adjust(vcpus=3)
    rig.guest.behaviour = Behaviour.REMOVAL_TIMES_OUT
    with contextlib.suppress(GuestRefused):
        rig.adjust(vcpus=2)
    rig.adjust(vcpus=3)
    assert rig.guest.unsettled


def with_vcpus_of_the_boot(guest: FakeGuest, count: int) -> None:
    """Define the guest, which is off, with vCPUs of which none can be removed while it runs."""
    guest.set_vcpus(1, live=False, config=True, hotpluggable=False)
    guest.set_vcpus(count, live=False, config=True, hotpluggable=False)


@pytest.mark.parametrize("cause", [without_quota, without_room, removal_pending])
def test_memory_grows_though_the_vcpus_cannot(cause: Callable[[ScaledHost], None]) -> None:
    host = ScaledHost()
    host.round(20)
    cause(host)
    had = host.desired
    host.learn()
    wants_both(host)
    host.until(lambda: host.desired.memory_mb > 1024, rounds=3)
    assert host.desired.vcpus == had.vcpus
    assert host.rigs["a"].size.memory_mb == host.desired.memory_mb
    assert host.rigs["a"].guest.oom_kills == 0


def test_memory_grows_during_the_pause_of_the_vcpus() -> None:
    host = ScaledHost()
    host.round(20)
    without_quota(host)
    host.rigs["a"].guest.work(8)
    host.round(LONG)
    assert host.desired == Size(2, 1024)
    assert host.status()["deferred"] == "xloud.growth_deferred.quota"
    wants_both(host)
    host.until(lambda: host.desired.memory_mb > 1024, rounds=3)
    assert host.status()["deferred"] == "xloud.growth_deferred.quota"


def test_vcpus_grow_though_the_memory_cannot() -> None:
    host = ScaledHost()
    host.round(20)
    host.guests.limits["a"] = Size(8, 1024)
    wants_both(host)
    host.until(lambda: host.desired.vcpus == 8, rounds=10)
    assert host.desired.memory_mb == 1024
    assert host.status()["deferred"] == "xloud.growth_deferred.quota"
    del host.guests.limits["a"]
    host.until(lambda: host.desired.memory_mb > 1024)
    host.round()
    assert host.status()["deferred"] is None


def test_refused_vcpus_wait_though_the_memory_changes_each_round() -> None:
    host = ScaledHost()
    host.round(20)
    without_quota(host)
    wants_both(host)
    guest = host.rigs["a"].guest
    for _ in range(40):
        guest.uses_kib += 40 * 1024
        host.round()
    assert host.desired.memory_mb > 2048
    refused = [one for one in host.guests.checked if one.vcpus > 2]
    assert len(refused) <= 14, "pauses of 5, 10, 20 ... seconds; each time with memory and alone"


def test_memory_shrinks_though_the_vcpus_of_the_boot_cannot_be_removed() -> None:
    host = ScaledHost(now=MAXIMUM, options=OPTIONS.__class__(window=WINDOW))
    rig = host.rigs["a"]
    rig.guest.stop()
    with_vcpus_of_the_boot(rig.guest, 8)
    rig.guest.start(arrived=True)
    host.until(lambda: host.desired.memory_mb == 1024, rounds=600)
    assert host.desired.vcpus == 8
    codes = {one["resource"]: one["code"] for one in host.status()["reasons"]}
    assert codes["vcpus"] == "hold.not_smaller"
    assert codes["memory_mb"] != "hold.not_smaller"


@pytest.mark.parametrize("uses_mb", [100, 950])
def test_memory_changes_in_a_guest_with_more_vcpus_than_it_should_have(uses_mb: int) -> None:
    """Somebody has started it without nova-xloud, with all vCPUs and none to be removed."""
    host = ScaledHost(now=Size(2, 2048), options=OPTIONS.__class__(window=WINDOW))
    rig = host.rigs["a"]
    rig.guest.stop()
    with_vcpus_of_the_boot(rig.guest, 8)
    rig.guest.start(arrived=True)
    rig.claims.size = Size(8, 2048)
    rig.guest.uses_kib = uses_mb * 1024
    host.until(lambda: rig.size.memory_mb < 2048, rounds=200)
    assert (host.desired.vcpus, rig.size.vcpus) == (2, 8)
    rig.guest.uses_kib = (host.desired.memory_mb - 50) * 1024
    had = host.desired.memory_mb
    host.until(lambda: rig.size.memory_mb > had, rounds=3)


def test_refusal_for_the_whole_instance_is_not_asked_for_again_in_parts() -> None:
    host = ScaledHost()
    host.round(20)
    host.guests.quota["a"] = HostUnavailable("nobody answers")
    wants_both(host)
    host.until(lambda: "check_growth" in host.guests.calls)
    assert host.guests.calls.count("check_growth") == 1


def test_refusal_is_logged_once_and_again_if_it_is_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    host = ScaledHost()
    host.round(20)
    without_quota(host)
    host.rigs["a"].guest.work(8)
    host.round(LONG)
    assert caplog.text.count("automatic growth was refused") == 1
    assert caplog.text.count("automatic growth asks for") == 1
    del host.guests.limits["a"]
    without_room(host)
    host.round(LONG)
    assert caplog.text.count("automatic growth was refused") == 2


def test_guest_that_cannot_be_read_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    host = ScaledHost()
    host.round(20)
    host.rigs["a"].guest.busy = True
    host.rigs["a"].guest.work(8)
    host.round(LONG)
    assert caplog.text.count("could not read the guest") == 1
