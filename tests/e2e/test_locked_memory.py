"""A guest whose memory is locked has all of it, whatever its balloon says."""

import libvirt

from lab import lifecycle, processes
from lab.checker import Checker
from lab.cloud import Cloud, Size
from lab.layout import Layout
from lab.operations import Operations
from tests.e2e.sizes import MINIMUM, adjust, agreed, settle

GROWN = Size(2, 768)
MAXIMUM = Size(1, 1024)


def test_a_rescue_that_would_lock_more_than_is_claimed_is_refused(
    cloud: Cloud, operations: Operations, server: str
) -> None:
    settle(cloud, server, MINIMUM)
    adjust(cloud, server, GROWN)
    boot = cloud.boot(server)
    answer = cloud.act(server, "rescue", operations.from_image("xloud-locked"))
    assert answer.status == 400, answer
    assert "1024" in answer.message
    assert cloud.vm_status(server) == "ACTIVE"
    assert cloud.boot(server) == boot
    assert cloud.witnesses(server) == agreed(GROWN)
    # With an image that locks nothing it goes as before.
    operations.rescue(server)
    settle(cloud, server, GROWN)
    operations.unrescue(server)
    settle(cloud, server, GROWN)


def lock_by_hand(cloud: Cloud, server: str) -> None:
    """Start the guest anew with its memory locked, with libvirt and behind Nova's back."""
    with cloud.domain(server) as domain:
        assert domain is not None
        definition = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        # In a container nobody may raise the limit, which root does not need to.
        limit = "<memtune><hard_limit unit='KiB'>8192</hard_limit></memtune>"
        locked = f"</currentMemory>{limit}<memoryBacking><locked/></memoryBacking>"
        domain.connect().defineXML(definition.replace("</currentMemory>", locked))
        domain.destroy()
        domain.create()


def test_memory_that_somebody_locked_by_hand_is_seen_and_claimed(
    cloud: Cloud, lab: Layout, server: str, invariants: Checker
) -> None:
    settle(cloud, server, MINIMUM)
    compute = lab.computes[0]
    # Or its next pass sees it first.
    processes.stop(lab, [compute.daemon("nova-compute")])
    try:
        lock_by_hand(cloud, server)
        verdict = invariants.ask("--settle=1")
    finally:
        lifecycle.start_compute(lab, compute)
    assert (verdict.code, server in verdict.text) == (1, True), verdict.text
    cloud.wait("the claim", lambda: cloud.claimed(server) == MAXIMUM)
