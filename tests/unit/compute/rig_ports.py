# SPDX-License-Identifier: Apache-2.0
"""The ports of a rig's instance: the fakes, with a tap on every effect."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from nova_xloud.compute.ports import Domain, RecordView, Reservation
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.core.size import Size
from nova_xloud.testing.fake_ports import FakeActions

if TYPE_CHECKING:
    from tests.unit.compute.rig import Rig


class TappedDomain:
    """Changes of a domain go through :meth:`Rig.effect`; none sets what is not reserved."""

    def __init__(self, rig: Rig, inner: Domain) -> None:
        self._rig, self._inner = rig, inner

    def read(self, *, agent: bool = True) -> DomainReading:
        self._rig._hook("read")
        return self._inner.read(agent=agent)

    def ping(self) -> None:
        self._inner.ping()

    def set_vcpus(self, count: int) -> None:
        with self._rig.effect("set_vcpus", count):
            self._rig.check_reserved(Size(count, 0))
            self._inner.set_vcpus(count)

    def set_memory(self, mib: int) -> None:
        with self._rig.effect("set_memory", mib):
            self._rig.check_reserved(Size(0, mib))
            self._inner.set_memory(mib)

    def set_statistics_period(self, seconds: int) -> None:
        with self._rig.effect("set_statistics_period", seconds):
            self._inner.set_statistics_period(seconds)

    def set_definition(self, size: Size) -> None:
        with self._rig.effect("set_definition", size):
            self._rig.check_reserved(size, self._rig.definition)
            self._inner.set_definition(size)

    def set_vcpus_online(self, count: int) -> None:
        with self._rig.effect("set_vcpus_online", count):
            self._inner.set_vcpus_online(count)


class TappedClaims:
    """Writes of the claim go through :meth:`Rig.effect`."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def read(self) -> Reservation:
        self._rig._hook("claim_read")
        return self._rig.claims.read()

    def check(self, current: Reservation, size: Size) -> None:
        self._rig.claims.check(current, size)

    def write(self, current: Reservation, size: Size) -> Reservation:
        with self._rig.effect("claim", size):
            return self._rig.claims.write(current, size)


class TappedRecord:
    """Writes of the record go through :meth:`Rig.effect`."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def refresh(self) -> RecordView:
        return self._rig.record.refresh()

    def write(self, desired: Desired, recorded: Size) -> None:
        with self._rig.effect("record", desired):
            self._rig.record.write(desired, recorded)


class TappedActions:
    """Instance actions: for people to read; no size depends on them, and they need no lock."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def start(self, name: str) -> None:
        self._rig.actions.start(name)

    def start_once(self, name: str) -> None:
        self._rig.actions.of_request(self._rig.request_id).start_once(name)

    def notify(self, name: str, error: Exception | None = None) -> None:
        self._rig.actions.notify(name, error)

    def event(self, name: str) -> contextlib.AbstractContextManager[Any]:
        return self._rig.actions.event(name)

    def open_events(self) -> list[str]:
        return self._rig.actions.open_events()

    def end_superseded(self, request_id: str) -> None:
        self._rig.actions.end_superseded(request_id)

    def of_request(self, request_id: str) -> FakeActions:
        return self._rig.actions.of_request(request_id)
