# SPDX-License-Identifier: Apache-2.0
"""Dedicated, mixed and realtime CPUs, and where emulator threads run: each grown and shrunk."""

from tests.functional.pinned import DEDICATED, ISOLATE, MIXED, SHARE, PinnedTestCase


class Dedicated(PinnedTestCase):
    def test_pins_are_for_the_maximum_and_pcpus_for_what_is_held(self):
        self._elastic_with(DEDICATED)
        self._starts_with(1, 512)
        pins = self._pins()
        assert len(set(pins.values())) == 4, pins
        assert self._host_usage() == ({int(cpu) for cpu in pins.values()}, 1024)
        assert self._reserved(self.server) == {"PCPU": 1, "MEMORY_MB": 512}
        self._grows_and_shrinks((1, 512, {"PCPU": 1}), (4, 1024, {"PCPU": 4}))
        assert self._pins() == pins
        self._leaves_nothing()

    def test_by_the_image(self):
        image = self._image(hw_cpu_policy="dedicated")
        self._elastic_with({}, image_uuid=image)
        assert len(self._pins()) == 4
        self._grows_and_shrinks((1, 512, {"PCPU": 1}), (3, 768, {"PCPU": 3}))

    def test_with_an_emulator_thread_of_its_own(self):
        self._elastic_with(DEDICATED, ISOLATE)
        pins = set(self._pins().values())
        assert self._emulator() not in pins
        assert self._host_usage()[0] == {int(cpu) for cpu in {*pins, self._emulator()}}
        # One PCPU more, whatever is plugged, and never counted as a vCPU.
        self._grows_and_shrinks((1, 512, {"PCPU": 2}), (4, 1024, {"PCPU": 5}))
        self._leaves_nothing()

    def test_with_emulator_threads_on_shared_cpus(self):
        self._elastic_with(DEDICATED, SHARE)
        assert self._emulator() == "0-3"
        self._grows_and_shrinks((1, 512, {"PCPU": 1}), (4, 1024, {"PCPU": 4}))

    def test_stopped_it_is_adjusted_too(self):
        self._elastic_with(DEDICATED)
        self._stop_server(self.server)
        self._adjust(current_vcpus=3)
        assert self._reserved(self.server) == {"PCPU": 3, "MEMORY_MB": 512}
        self._start_server(self.server)
        self._holds(3, 512, PCPU=3)
        self._starts_with(3, 512)

    def test_without_a_minimum_it_boots_with_all_and_gives_back(self):
        self.server = self._boot(self._flavor(**DEDICATED))
        assert self._reserved(self.server) == {"PCPU": 4, "MEMORY_MB": 1024}
        self._refused(409, "xloud.blocked.boot_vcpus", current_vcpus=2)
        self._stop_server(self.server)
        self._adjust(current_vcpus=2)
        self._start_server(self.server)
        self._holds(2, 1024, PCPU=2)


class WithoutPcpus(PinnedTestCase):
    """A host that is still configured by ``vcpu_pin_set``: its dedicated CPUs are VCPU."""

    def _prepare_host(self):
        self.flags(cpu_shared_set=None, cpu_dedicated_set=None, group="compute")
        self.flags(vcpu_pin_set="0-9")

    def test_dedicated_cpus_stay_claimed_as_vcpu(self):
        self._elastic_with(DEDICATED)
        self._grows_and_shrinks((1, 512, {"VCPU": 1}), (4, 1024, {"VCPU": 4}))
        self._leaves_nothing()

    def test_an_emulator_thread_of_its_own_is_not_claimed(self):
        self._elastic_with(DEDICATED, ISOLATE)
        self._grows_and_shrinks((1, 512, {"VCPU": 1}), (4, 1024, {"VCPU": 4}))


class NeverTwoOnOnePin(PinnedTestCase):
    def test_what_placement_has_free_is_not_what_is_left_of_the_pins(self):
        first = self._elastic_with(DEDICATED)
        # Placement has 5 PCPUs free of 6; but 4 pins are the first one's, whatever it holds.
        refused = self._boot(self._flavor(minimum_cpu=1, **DEDICATED), expected_state="ERROR")
        assert "No valid host" in self._fault(refused)
        assert self._get_allocations_by_server_uuid(refused["id"]) == {}
        second = self._boot(self._flavor(vcpus=2, minimum_cpu=1, **DEDICATED))
        assert not set(self._pins(first).values()) & set(self._pins(second).values())

    def test_all_can_grow_at_once_because_their_pins_are_there(self):
        one, two = (self._boot(self._flavor(vcpus=3, minimum_cpu=1, **DEDICATED)) for _ in "12")
        for server in (one, two):
            self._adjust(server, current_vcpus=3)
            self._holds(3, 1024, server, PCPU=3)
        pins = [*self._pins(one).values(), *self._pins(two).values()]
        assert len(set(pins)) == 6, pins


class WithoutTheFilter(PinnedTestCase):
    ADDITIONAL_FILTERS = ()

    def test_the_host_refuses_what_the_scheduler_let_through(self):
        first = self._elastic_with(DEDICATED)
        refused = self._boot(self._flavor(minimum_cpu=1, **DEDICATED), expected_state="ERROR")
        assert self._get_allocations_by_server_uuid(refused["id"]) == {}
        assert refused["id"] not in self.defined
        assert self._host_usage()[0] == {int(cpu) for cpu in self._pins(first).values()}


class FewSharedCpus(PinnedTestCase):
    """Placement gives no one instance more VCPU than the host has CPUs, at any allocation ratio."""

    def _prepare_host(self):
        self.flags(cpu_shared_set="0-1", group="compute")

    def test_a_flavor_that_would_outgrow_them_finds_no_host(self):
        self._elastic_with({}, expected_state="ERROR")
        assert "No valid host" in self._fault(self.server)
        assert self._get_allocations_by_server_uuid(self.server["id"]) == {}


class Mixed(PinnedTestCase):
    def test_the_shared_ones_come_and_go(self):
        self._elastic_with(MIXED)
        self._starts_with(2, 512, least=2)
        shared = {vcpu: cpus for vcpu, cpus in self._pins().items() if cpus == "0-3"}
        assert list(shared) == [2, 3]
        self._grows_and_shrinks((2, 512, {"PCPU": 2}), (4, 1024, {"PCPU": 2, "VCPU": 2}))
        self._adjust(current_vcpus=3)
        self._holds(3, 512, PCPU=2, VCPU=1)
        self._leaves_nothing()

    def test_below_the_dedicated_ones_is_refused(self):
        self._elastic_with(MIXED)
        text = self._refused(400, "xloud.out_of_bounds", current_vcpus=1)
        assert "minimum of 2" in text
        assert "dedicated" in text
        assert self._status()["min_vcpus"] == 2
        self._holds(2, 512, PCPU=2)

    def test_dedicated_ones_with_the_highest_ids_leave_nothing_to_unplug(self):
        self._elastic_with(MIXED, {"hw__cpu_dedicated_mask": "2-3"})
        self._starts_with(4, 512, least=4)
        self._holds(4, 512, PCPU=2, VCPU=2)
        for count in (2, 3):
            text = self._refused(400, "xloud.out_of_bounds", current_vcpus=count)
            assert "vCPUs 0 to 3 always stay plugged" in text
        self._adjust(current_memory_mb=768)
        self._holds(4, 768, PCPU=2, VCPU=2)

    def test_dedicated_ones_in_the_middle_keep_those_below_them(self):
        self._elastic_with(MIXED, {"hw__cpu_dedicated_mask": "0,2"})
        self._grows_and_shrinks((3, 512, {"PCPU": 2, "VCPU": 1}), (4, 1024, {"PCPU": 2, "VCPU": 2}))

    def test_with_an_emulator_thread_of_its_own(self):
        self._elastic_with(MIXED, ISOLATE)
        self._grows_and_shrinks((2, 512, {"PCPU": 3}), (4, 1024, {"PCPU": 3, "VCPU": 2}))
        self._leaves_nothing()


REALTIME = {"hw__cpu_realtime": "true", "hw__cpu_realtime_mask": "^0"}


class Realtime(PinnedTestCase):
    def _memory_is_blocked(self):
        self._refused(409, "xloud.blocked.realtime", current_memory_mb=512)
        self._refused(409, "xloud.blocked.realtime", current_vcpus=4, current_memory_mb=768)
        assert self._status()["min_memory_mb"] == 1024

    def test_dedicated(self):
        self._elastic_with(DEDICATED, REALTIME)
        self._starts_with(1, 1024)
        scheduled = self._xml().find("cputune/vcpusched")
        assert (scheduled.get("vcpus"), scheduled.get("scheduler")) == ("1-3", "fifo")
        assert self._xml().find("memoryBacking/locked") is not None
        self._memory_is_blocked()
        self._grows_and_shrinks((1, 1024, {"PCPU": 1}), (4, 1024, {"PCPU": 4}))
        self._leaves_nothing()

    def test_all_vcpus_with_an_emulator_thread_of_its_own(self):
        self._elastic_with(DEDICATED, {"hw__cpu_realtime": "true"}, ISOLATE)
        self._grows_and_shrinks((1, 1024, {"PCPU": 2}), (4, 1024, {"PCPU": 5}))

    def test_mixed_by_the_realtime_mask(self):
        mask = {"hw__cpu_policy": "mixed", "hw__cpu_realtime_mask": "0-1"}
        self._elastic_with(REALTIME, mask)
        self._memory_is_blocked()
        self._grows_and_shrinks((2, 1024, {"PCPU": 2}), (4, 1024, {"PCPU": 2, "VCPU": 2}))

    def test_mixed_by_the_realtime_mask_of_the_image(self):
        image = self._image(hw_cpu_realtime_mask="1-2")
        mask = {"hw__cpu_policy": "mixed", "hw__cpu_realtime_mask": "0-1"}
        self._elastic_with(REALTIME, mask, image_uuid=image)
        self._grows_and_shrinks(
            (3, 1024, {"PCPU": 2, "VCPU": 1}), (4, 1024, {"PCPU": 2, "VCPU": 2})
        )
