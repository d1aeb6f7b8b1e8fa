# SPDX-License-Identifier: Apache-2.0
"""The contract of errors: what libvirt answers has the same meaning in both domains.

A real QEMU cannot be had to answer so; :class:`LibvirtDomain` over a fake virDomain stands for it.
"""

from __future__ import annotations

import pytest

from nova_xloud import errors
from nova_xloud.core.size import Size
from nova_xloud.testing import FakeGuest
from nova_xloud.testing.behaviour import Rejected
from tests.contract.rigs import FakeLibvirtGuest, Hypervisor, PortGuest

# What setVcpusFlags answers: its meaning where only the definition was to change, and where QEMU
# was to plug or unplug.
ANSWERS = {
    ("VIR_ERR_CONFIG_UNSUPPORTED", "no appropriate hotpluggable vcpus"): (
        errors.DomainCallFailed,
        errors.VcpuNotRemovable,
    ),
    ("VIR_ERR_OPERATION_TIMEOUT", "timed out"): (errors.DomainBusy, errors.RemovalTimedOut),
    ("VIR_ERR_OPERATION_FAILED", "unplug of device was rejected by the guest"): (
        errors.DomainCallFailed,
        errors.RemovalRejected,
    ),
}


@pytest.fixture(params=["fake_port", "fake_libvirt"])
def either(request: pytest.FixtureRequest) -> Hypervisor:
    """A hypervisor whose guests are fakes."""
    made: Hypervisor = request.getfixturevalue(request.param)
    return made


def _guest_in(made: object) -> FakeGuest:
    if isinstance(made, PortGuest):
        return made.guest
    assert isinstance(made, FakeLibvirtGuest)
    guest: FakeGuest = made.dom.guest
    return guest


@pytest.mark.parametrize(
    ("answer", "meanings"), ANSWERS.items(), ids=[constant for constant, _ in ANSWERS]
)
def test_an_answer_to_set_vcpus_means_what_the_call_was_for(
    either: Hypervisor,
    answer: tuple[str, str],
    meanings: tuple[type[errors.DomainError], type[errors.DomainError]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = either.booted()

    def answers(*args: object, **kwargs: object) -> None:
        raise Rejected(*answer)

    monkeypatch.setattr(_guest_in(guest), "set_vcpus", answers)
    of_the_definition, of_qemu = meanings
    with pytest.raises(errors.DomainError) as definition:
        guest.domain.set_definition(Size(3, 768))
    with pytest.raises(errors.DomainError) as live:
        guest.domain.set_vcpus(3)
    assert (definition.type, live.type) == (of_the_definition, of_qemu)
