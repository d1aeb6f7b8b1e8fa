"""libvirt keeps two sizes of a running guest: what it has, and what it is started with next.

Nothing may start with more than is claimed, however the two came to differ.
"""

import libvirt

from lab.cloud import Cloud, Size, Witnesses
from lab.layout import Layout
from lab.operations import Operations
from tests.e2e.conftest import Create
from tests.e2e.sizes import FOR_NOW, MINIMUM, adjust, agreed, settle

FOUR = Size(4, 512)
TWO = Size(2, 512)


def test_it_starts_with_the_size_that_was_first_for_now_and_then_kept(
    cloud: Cloud, operations: Operations, server: str
) -> None:
    settle(cloud, server, MINIMUM)
    adjust(cloud, server, FOUR)
    assert cloud.configured(server) == FOUR
    # For now only: it may start with four again, and they stay claimed.
    for_now = {"current_vcpus": TWO.vcpus, "persist": False}
    assert cloud.adjust(server, for_now).status == 202
    still_claimed = Witnesses(FOUR, TWO, TWO)
    assert cloud.settle(server, still_claimed) == still_claimed
    # The guest has two already: what is to be done is in the definition.
    assert cloud.adjust(server, {**for_now, "persist": True}).status == 202
    settle(cloud, server, TWO)
    assert cloud.configured(server) == TWO

    boot = cloud.boot(server)
    operations.soft_reboot(server)
    assert cloud.boot(server) != boot
    settle(cloud, server, TWO)


def test_what_was_for_now_is_over_when_it_is_rescued_on_another_host(
    cloud: Cloud, lab: Layout, operations: Operations, server: str
) -> None:
    settle(cloud, server, MINIMUM)
    adjust(cloud, server, FOR_NOW, persist=False)
    there = lab.computes[1].hostname
    operations.live_migrate(server, there)
    settle(cloud, server, FOR_NOW)
    for operation in (operations.rescue, operations.unrescue):
        operation(server)
        settle(cloud, server, MINIMUM)
        assert cloud.claims(server) == {there: MINIMUM}
        assert cloud.configured(server) == MINIMUM


def test_a_removal_that_was_refused_and_a_rescue(
    cloud: Cloud, operations: Operations, create: Create
) -> None:
    server = create("xloud.demo", "xloud-no-removal")
    settle(cloud, server, MINIMUM)
    adjust(cloud, server, FOUR)
    answer = cloud.resize(server, MINIMUM)
    request = answer.headers["x-openstack-request-id"]
    cloud.wait("its end", lambda: {"Error"} & {how for how, _ in cloud.outcomes(server, request)})
    for operation in (operations.rescue, operations.unrescue):
        operation(server)
        settle(cloud, server, MINIMUM)
    assert cloud.configured(server) == MINIMUM


def test_a_definition_that_somebody_changed_is_set_right(cloud: Cloud, server: str) -> None:
    settle(cloud, server, MINIMUM)
    with cloud.domain(server) as domain:
        assert domain is not None
        domain.setVcpusFlags(4, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    assert cloud.configured(server) == FOUR
    cloud.wait("the definition", lambda: cloud.configured(server) == MINIMUM)
    assert cloud.witnesses(server) == agreed(MINIMUM)
