"""One real adjustment: asked over HTTP, seen in Placement, in libvirt, and by the guest itself."""

from lab import contents
from lab.cloud import Cloud, Size
from tests.e2e.sizes import GROWN, MINIMUM, settle


def test_boots_with_the_minimum_and_holds_just_that(cloud: Cloud, server: str) -> None:
    settle(cloud, server, MINIMUM)
    assert cloud.allocation(server) == {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}


def test_grows_and_shrinks_while_it_runs(cloud: Cloud, server: str) -> None:
    settle(cloud, server, MINIMUM)
    for size in (GROWN, MINIMUM):
        answer = cloud.resize(server, size)
        assert (answer.status, answer.body) == (202, {})
        settle(cloud, server, size)
    assert cloud.events(server).count("xloud_adjust") == 2


def test_one_size_alone_leaves_the_other(cloud: Cloud, server: str) -> None:
    settle(cloud, server, MINIMUM)
    assert cloud.adjust(server, {"current_memory_mb": 896}).status == 202
    settle(cloud, server, Size(1, 896))
    assert cloud.adjust(server, {"current_vcpus": "2"}).status == 202
    settle(cloud, server, Size(2, 896))


def test_up_and_down_ten_times_in_one_life_of_the_guest(cloud: Cloud, server: str) -> None:
    """As somebody does by hand, who has just seen the demo."""
    boot = cloud.boot(server)
    for turn in range(10):
        for size in (Size(3, 768 if turn % 2 else 1024), MINIMUM):
            assert cloud.resize(server, size).status == 202
            settle(cloud, server, size)
    assert cloud.boot(server) == boot


def test_location_names_the_status_and_the_request_id_the_action(cloud: Cloud, server: str) -> None:
    answer = cloud.resize(server, Size(2, 512))
    assert answer.headers["Location"].endswith(f"/servers/{server}/xloud-status")
    actions = cloud.connection.compute.server_actions(server)
    (adjustment,) = [a.request_id for a in actions if a.action == "xloud_adjust"]
    assert adjustment == answer.headers["x-openstack-request-id"]


def test_status_has_the_numbers_that_the_witnesses_have(cloud: Cloud, server: str) -> None:
    size = Size(2, 768)
    assert cloud.resize(server, size).status == 202
    settle(cloud, server, size)
    answer = cloud.xloud_status(server)
    assert answer.status == 200
    told = answer.body["xloud_status"]
    four = ("desired", "reserved", "actuated", "observed")
    # Its guest has no agent.
    assert {told["vcpus"][number] for number in four} - {None} == {2}
    assert {told["memory_mb"][number] for number in four} == {768}
    bounds = {name: told[name] for name in told if name.startswith(("current", "min_", "max_"))}
    assert bounds == {
        "current_vcpus": 2,
        "min_vcpus": 1,
        "max_vcpus": contents.DEMO.vcpus,
        "current_memory_mb": 768,
        "min_memory_mb": 512,
        "max_memory_mb": 1024,
    }
    assert told["balloon_driver_active"] is True
    assert (told["attached_dimms_mb"], told["has_virtiomem"]) == (0, False)
    assert told["blockers"] == []


def test_project_reader_may_look_and_not_touch(cloud: Cloud, lab, server: str) -> None:
    member = Cloud(lab, user="demo", project="demo")
    # The server is the administrator's project's: the others do not see that it exists.
    assert member.xloud_status(server).status == 404
    assert member.resize(server, Size(2, 512)).status == 404
    own = member.create("xloud-e2e-own", "xloud.demo")
    try:
        reader = Cloud(lab, user="reader", project="demo")
        assert reader.xloud_status(own).body["xloud_status"]["max_vcpus"] == contents.DEMO.vcpus
        assert member.resize(own, Size(2, 512)).status == 403
        assert cloud.claimed(own) == MINIMUM
    finally:
        member.delete(own)
