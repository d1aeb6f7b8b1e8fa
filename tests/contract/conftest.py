# SPDX-License-Identifier: Apache-2.0
"""One hypervisor a parameter."""

from __future__ import annotations

import os
from collections.abc import Iterator

import libvirt
import pytest

from nova_xloud.testing import FakeLibvirtFixture, ManualClock
from tests.contract import rigs

HYPERVISORS = ("fake-port", "fake-libvirt", "test-driver", "lab-qemu")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*what): skipped where a hypervisor lacks it")


@pytest.fixture(scope="session")
def lab_qemu() -> Iterator[rigs.Libvirt]:
    """The lab's QEMU; one that does not come up is a failure, and no reason to skip."""
    from tests.contract import lab_hypervisor

    with lab_hypervisor.lab_qemu() as qemu:
        yield qemu


@pytest.fixture(scope="session", autouse=True)
def quiet_libvirt() -> None:
    """libvirt prints every error on stderr, those that a test wants too."""
    libvirt.registerErrorHandler(lambda context, error: None, None)


@pytest.fixture(params=HYPERVISORS)
def hypervisor(request: pytest.FixtureRequest) -> Iterator[rigs.Hypervisor]:
    """A hypervisor in which the test's domains are the only ones."""
    if request.param == "lab-qemu":
        if os.environ.get("NOVA_XLOUD_LAB") == "0":
            pytest.skip("NOVA_XLOUD_LAB=0: no real QEMU")
        made = request.getfixturevalue("lab_qemu")
    else:
        made = request.getfixturevalue(request.param.replace("-", "_"))
    for marker in request.node.iter_markers("needs"):
        for what in marker.args:
            if what in made.lacks:
                pytest.skip(made.lacks[what])
    yield made
    made.close()


@pytest.fixture
def fake_port() -> rigs.Hypervisor:
    return rigs.FakePort()


@pytest.fixture
def fake_libvirt() -> Iterator[rigs.Hypervisor]:
    from nova.tests.fixtures import libvirt as fakelibvirt

    with FakeLibvirtFixture(clock=ManualClock()) as fixture:
        yield rigs.FakeLibvirt(fakelibvirt.Connection("qemu:///system"), fixture)


@pytest.fixture
def test_driver() -> Iterator[rigs.Hypervisor]:
    connection = libvirt.open("test:///default")
    yield rigs.TestDriver(connection)
    connection.close()
