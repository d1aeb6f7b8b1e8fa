# SPDX-License-Identifier: Apache-2.0
"""Fakes of libvirt, of guests and of nova-xloud's ports, for nova-xloud's tests and for yours.

``FakeGuest``           a libvirt domain and its guest, as a state machine (``fake_guest``)
``Behaviour``           how such a guest reacts, and ``Timing``, how fast it is (``behaviour``)
``Clock``               the time of a guest: a ``RealClock`` or a ``ManualClock`` (``clock``)
``FakeDomain``          the Domain port over a ``FakeGuest`` (``fake_domain``)
``FakeLibvirtFixture``  adds nova-xloud's calls to Nova's fake libvirt (``fixture``); needs nova

The modules ``fake_ports`` and ``fake_scaled_guests`` have the other ports, in memory. They are not
imported here.

Import the fixture at the top of a test module: Nova's test base refuses a first ``import libvirt``
while a test runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nova_xloud.testing.behaviour import Behaviour, Timing
from nova_xloud.testing.clock import Clock, ManualClock, RealClock
from nova_xloud.testing.fake_domain import FakeDomain
from nova_xloud.testing.fake_guest import FakeGuest

if TYPE_CHECKING:
    from nova_xloud.testing.fixture import FakeLibvirtFixture

__all__ = [
    "Behaviour",
    "Clock",
    "FakeDomain",
    "FakeGuest",
    "FakeLibvirtFixture",
    "ManualClock",
    "RealClock",
    "Timing",
]


def __getattr__(name: str) -> Any:
    # FakeLibvirtFixture alone needs Nova's test fixtures and libvirt, so it is imported on demand.
    if name == "FakeLibvirtFixture":
        from nova_xloud.testing.fixture import FakeLibvirtFixture

        return FakeLibvirtFixture
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
