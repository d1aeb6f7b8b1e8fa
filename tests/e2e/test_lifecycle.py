"""The size after Nova's own operations: kept, or gone with the server."""

from lab.cloud import Cloud, Witnesses
from tests.e2e.sizes import GROWN, MINIMUM, grow, settle


def test_stop_and_start_keep_the_size(cloud: Cloud, server: str) -> None:
    grow(cloud, server)
    cloud.connection.compute.stop_server(server)
    cloud.wait_status(server, "SHUTOFF")
    assert cloud.witnesses(server) == Witnesses(placement=GROWN, libvirt=None, guest=None)
    cloud.connection.compute.start_server(server)
    cloud.wait_status(server, "ACTIVE")
    settle(cloud, server, GROWN)


def test_restarted_large_it_can_still_be_made_small(cloud: Cloud, server: str) -> None:
    grow(cloud, server)
    boot = cloud.boot(server)
    cloud.connection.compute.reboot_server(server, "HARD")
    cloud.wait("the hard reboot", lambda: cloud.vm_status(server) == "HARD_REBOOT", 10)
    cloud.wait_status(server, "ACTIVE")
    settle(cloud, server, GROWN)
    assert cloud.boot(server) != boot
    assert cloud.resize(server, MINIMUM).status == 202
    settle(cloud, server, MINIMUM)


def test_adjusted_while_stopped_it_starts_with_that(cloud: Cloud, server: str) -> None:
    # Before it has booted it does not hear that it shall stop.
    settle(cloud, server, MINIMUM)
    cloud.connection.compute.stop_server(server)
    cloud.wait_status(server, "SHUTOFF")
    assert cloud.resize(server, GROWN).status == 202
    assert cloud.claimed(server) == GROWN
    cloud.connection.compute.start_server(server)
    cloud.wait_status(server, "ACTIVE")
    settle(cloud, server, GROWN)


def test_size_that_is_not_persisted_ends_with_the_next_stop(cloud: Cloud, server: str) -> None:
    settle(cloud, server, MINIMUM)
    body = {"current_vcpus": 3, "current_memory_mb": 768, "persist": False}
    assert cloud.adjust(server, body).status == 202
    settle(cloud, server, GROWN)
    cloud.connection.compute.stop_server(server)
    cloud.wait_status(server, "SHUTOFF")
    stopped = Witnesses(placement=MINIMUM, libvirt=None, guest=None)
    assert cloud.settle(server, stopped) == stopped
    cloud.connection.compute.start_server(server)
    cloud.wait_status(server, "ACTIVE")
    settle(cloud, server, MINIMUM)


def test_delete_leaves_nothing(cloud: Cloud, server: str) -> None:
    grow(cloud, server)
    cloud.delete(server)
    assert cloud.witnesses(server) == Witnesses(None, None, None)
    assert cloud.allocation(server) == {}
    with cloud.domain(server) as domain:
        assert domain is None


def test_stock_flavor_is_as_it_was(cloud: Cloud, create) -> None:
    server = create("stock.small")
    settle(cloud, server, MINIMUM)
    xml = cloud.domain_xml(server)
    assert "<vcpu placement='static'>1</vcpu>" in xml
    assert "current=" not in xml
    assert "hotpluggable" not in xml
