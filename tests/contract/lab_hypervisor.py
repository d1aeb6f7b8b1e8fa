# SPDX-License-Identifier: Apache-2.0
"""The lab's libvirt and QEMU, in a lab of their own, for the contract."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from lab import guest as lab_guest
from lab import hypervisor, layout
from lab.layout import Compute, Layout
from lab.progress import Step
from nova_xloud.testing import Behaviour
from tests.contract.rigs import Libvirt

HAS_AGENT = "online-once" in lab_guest.BEHAVIOURS

# The guests of the lab that behave so, by their name on the kernel's command line.
BEHAVIOURS = {
    # The other one brings a CPU that its agent took offline online again.
    Behaviour.COOPERATIVE: "online-once" if HAS_AGENT else "cooperative",
    Behaviour.NO_BALLOON_DRIVER: "no-balloon",
    Behaviour.NO_ONLINE: "no-online",
}


class LabQemu(Libvirt):
    """Guests of the lab's kernel under QEMU."""

    virt_type = "qemu"
    lacks = {
        "crash": "the lab's QEMU 11.1 removes vCPUs; only QEMU up to 10 under TCG loses them "
        "(measured on 7.2: VIR_ERR_OPERATION_TIMEOUT, and the next add ends QEMU)",
        "refusal": "no guest of the lab's refuses to give a vCPU or memory back",
        **({} if HAS_AGENT else {"agent": "the lab's guest has no agent"}),
    }

    def __init__(self, connection: libvirt.virConnect, files: lab_guest.Guest) -> None:
        super().__init__(connection)
        self.files = files

    def boot(self, behaviour: Behaviour) -> str:
        command_line = lab_guest.command_line(BEHAVIOURS[behaviour])
        return (
            f"<kernel>{self.files.kernel}</kernel><initrd>{self.files.initramfs}</initrd>"
            f"<cmdline>{command_line}</cmdline>"
        )

    def devices(self, name: str) -> str:
        # Its init reads and writes the console, and does not go on without one.
        return "<serial type='pty'/>"


@contextmanager
def lab_qemu() -> Iterator[LabQemu]:
    """The lab's hypervisor, up for as long as the block lasts.

    Not that of the lab's cloud: nova-compute refuses to start beside domains that it does not
    know.
    """
    lab = _own_layout(layout.load())
    (compute,) = lab.computes
    hypervisor.start(lab, compute, Step("hypervisor of the contract tests"))
    try:
        connection = libvirt.open(hypervisor.connect_uri(compute))
        qemu = LabQemu(connection, lab_guest.ensure_built(lab))
        yield qemu
        qemu.close()
        connection.close()
    finally:
        hypervisor.stop(lab, compute)


def _own_layout(lab: Layout) -> Layout:
    """A lab beside the lab, which neither ``lab down`` nor nova-compute sees; same downloads."""
    name = f"contract{os.environ.get('PYTEST_XDIST_WORKER', '')}"
    state = lab.state / name
    own = Layout(state=state, computes=(Compute(name, state / "c"),))
    state.mkdir(exist_ok=True)
    if not own.cache.is_symlink():
        own.cache.symlink_to(lab.cache)
    own.make_folders()
    return own
