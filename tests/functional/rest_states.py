# SPDX-License-Identifier: Apache-2.0
"""Servers and clouds in the states that the tests in ``gabbits/`` name under ``fixtures``.

A state makes what it needs in the cloud of :attr:`State.case`, and puts the ids of its servers into
the environment, where gabbi finds them as ``$ENVIRON['NAME']``. The cloud is the test's own, so
nothing is put back.
"""

import contextlib
import dataclasses
import json
from types import SimpleNamespace
from unittest import mock

import fixtures
from gabbi.fixture import GabbiFixture
from keystoneauth1 import exceptions as ks_exc
from nova.scheduler.client.report import SchedulerReportClient
from oslo_concurrency import lockutils

from nova_xloud.rpc.client import XloudAPI
from nova_xloud.testing import Behaviour
from nova_xloud.testing.behaviour import Timing

MINIMUMS = {"minimum_cpu": "1", "minimum_memory": "256"}


class State(GabbiFixture):
    """:cvar case: the :class:`AdjustTestCase` whose cloud it is"""

    case = None

    def start_fixture(self):
        self.prepare(self.case)

    def prepare(self, case):
        raise NotImplementedError

    def name(self, name, value):
        self.case.useFixture(fixtures.EnvironmentVariable(name, value))

    def small(self, name, extra_specs=MINIMUMS, host="host1", **options):
        """A server between 1 / 256 and 4 / 512, by its name. A host has room for many.

        :param host: never the scheduler's choice: other states have hosts that cannot adjust
        """
        size = {"vcpu": 4, "memory_mb": 512, "disk": 1, "ephemeral": 0}
        flavor = self.case._create_flavor(**size, extra_spec=extra_specs)
        server = self.case._boot(flavor, host=host, **options)
        self.name(name, server["id"])
        return server


class Stopped(State):
    def prepare(self, case):
        case._stop_server(self.small("STOPPED"))


class Grown(State):
    """The server has grown to 3 / 768, and its guest is seen to have it."""

    def prepare(self, case):
        case._adjust(current_vcpus=3, current_memory_mb=768)
        case._has(3, 768)


class Scaled(State):
    """A server of whose guest a round of automatic growth has read something."""

    def prepare(self, case):
        server = self.small("SCALED")
        case._has(1, 256, server)
        case._adjust(server, autoscale="observe")

        def is_recommended():
            assert case._status(server)["autoscale"]["recommendation"] is not None

        case._wait(is_recommended)


class WithAgent(State):
    """A server whose guest has an agent, which counts the vCPUs that are online."""

    def prepare(self, case):
        case.guests.agent = True
        self.small("WITH_AGENT", image_uuid=case._image(hw_qemu_guest_agent="yes"))


class RemovalTimedOut(State):
    """A server whose guest was to give vCPUs back, and has not answered."""

    def prepare(self, case):
        server = self.small("REMOVAL_TIMED_OUT")
        case._adjust(server, current_vcpus=3)
        case._has(3, 256, server)
        guest = case.guests.domain(server["id"])
        guest.behaviour, guest.timing = Behaviour.REMOVAL_TIMES_OUT, Timing(removal_timeout=0.2)
        case._adjust(server, current_vcpus=1)

        def has_refused():
            kinds = [condition["type"] for condition in case._status(server)["conditions"]]
            assert "GuestRefused" in kinds, kinds

        case._wait(has_refused)


class ThreadsOfACore(State):
    """A server whose cores have two threads each; only whole cores are plugged."""

    def prepare(self, case):
        self.small("TWO_THREADS", {**MINIMUMS, "hw:cpu_threads": "2", "minimum_cpu": "2"})


class Locked(State):
    def prepare(self, case):
        server = self.small("LOCKED")
        case.admin_api.post_server_action(server["id"], {"lock": {}})


class Suspended(State):
    def prepare(self, case):
        server = self.small("SUSPENDED")
        case.admin_api.post_server_action(server["id"], {"suspend": {}})
        case._wait_for_state_change(server, "SUSPENDED")


class Rescued(State):
    def prepare(self, case):
        # Nova's fake libvirt does not bring a guest so far.
        instance = case._record(self.small("RESCUED"))
        instance.vm_state = "rescued"
        instance.save()


class Shelved(State):
    """A server that is shelved and offloaded, and so on no host."""

    def prepare(self, case):
        server = self.small("SHELVED")
        case.flags(shelved_offload_time=0)
        case.admin_api.post_server_action(server["id"], {"shelve": {}})
        case._wait_for_state_change(server, "SHELVED_OFFLOADED")


class Rebooting(State):
    """A server with a running task."""

    def prepare(self, case):
        instance = case._record(self.small("REBOOTING"))
        instance.task_state = "rebooting"
        instance.save()


class Held(State):
    """A server that another operation holds without a task state, as while a volume is attached."""

    def prepare(self, case):
        self._lock = contextlib.ExitStack()
        self._lock.enter_context(lockutils.lock(self.small("HELD")["id"]))

    def stop_fixture(self):
        self._lock.close()


class Deleted(State):
    def prepare(self, case):
        case._delete_server(self.small("DELETED"))


class Leaving(State):
    """A server that leaves its host while a request is on its way there."""

    def prepare(self, case):
        leaving = self.small("LEAVING")["id"]
        adjust = XloudAPI.adjust

        def while_it_leaves(api, context, instance, request):
            if instance.uuid == leaving:
                record = case._record({"id": leaving})
                record.host = "elsewhere"
                record.save()
            return adjust(api, context, instance, request)

        case.useFixture(fixtures.MockPatchObject(XloudAPI, "adjust", while_it_leaves))


class LittleQuota(State):
    """The project may hold what it holds already: 1 vCPU and 512 MiB."""

    def prepare(self, case):
        case.flags(cores=1, ram=512, group="quota")


class FullHost(State):
    """All memory of the host but 256 MiB is claimed."""

    def prepare(self, case):
        capacity = case._memory_capacity(case.server)
        case._boot(case._flavor(vcpus=1, memory_mb=capacity - 512 - 256))


class PlacementAnswers(State):
    """Three servers whose claims Placement does not take (it is away, it fails, it knows no such
    provider), and one for which it holds nothing.
    """

    def prepare(self, case):
        away = ks_exc.ConnectFailure("connection refused")
        no_provider = "Allocation for resource provider that does not exist."
        answers = {
            self.small("PLACEMENT_IS_AWAY")["id"]: away,
            self.small("PLACEMENT_FAILS")["id"]: _answer(500, "Internal Server Error"),
            self.small("CLAIM_NOT_TAKEN")["id"]: _answer(400, no_provider),
        }
        put = SchedulerReportClient._put_allocations

        def put_or_fail(client, context, consumer, payload, *args, **kwargs):
            answer = answers.get(consumer)
            if isinstance(answer, Exception):
                raise answer
            return answer or put(client, context, consumer, payload, *args, **kwargs)

        patched = fixtures.MockPatchObject(SchedulerReportClient, "_put_allocations", put_or_fail)
        case.useFixture(patched)
        unclaimed = self.small("UNCLAIMED")
        case.placement.delete(f"/allocations/{unclaimed['id']}")


def _answer(status, detail):
    text = json.dumps({"errors": [{"detail": detail}]})
    return SimpleNamespace(status_code=status, text=text, json=lambda: json.loads(text))


class HostDown(State):
    def prepare(self, case):
        case._adjust(current_vcpus=3)
        case._has(3, 512)
        case.computes["host1"].stop()
        (service,) = case.admin_api.get_services(host="host1", binary="nova-compute")
        case.admin_api.put_service_force_down(service["id"], True)


class StockHost(State):
    """A compute host that nobody has started with nova-xloud-run."""

    def prepare(self, case):
        stock = {"nova-compute": "nova.compute.manager.ComputeManager"}
        with mock.patch.dict("nova.service.SERVICE_MANAGERS", stock):
            case.start_compute("stock")
        self.small("ON_STOCK_HOST", host="stock")


class BlockedByFlavor(State):
    """Servers whose flavor, as their record has it, blocks a resource.

    The record is changed after the boot: hosts with persistent memory, encryption or devices to
    pass through are not needed for an answer.
    """

    SPECS = {
        "RESOURCE_OVERRIDE": {"resources:VCPU": "4"},
        "HUGE_PAGES": {"hw:mem_page_size": "large"},
        "LOCKED_MEMORY": {"hw:locked_memory": "true"},
        "VPMEM": {"hw:pmem": "6GB"},
        "REALTIME": {"hw:cpu_realtime": "yes"},
        "MEMORY_ENCRYPTION": {"hw:mem_encryption": "true"},
        "ENCRYPTED_VCPUS": {"hw:mem_encryption": "true", "hw:mem_encryption_model": "amd-sev-es"},
        "VFIO": {"pci_passthrough:alias": "gpu:1"},
    }

    def prepare(self, case):
        for name, specs in self.SPECS.items():
            instance = case._record(self.small(name))
            instance.flavor.extra_specs = {**instance.flavor.extra_specs, **specs}
            instance.save()


class BlockedByImage(State):
    """Servers whose image, as their record has it, blocks vCPUs, or their removal."""

    def prepare(self, case):
        instance = case._record(self.small("VCPU_HOTPLUG"))
        instance.system_metadata["image_hw_machine_type"] = "microvm"
        instance.save()
        windows = self.small("VCPU_REMOVAL")
        instance = case._record(windows)
        instance.system_metadata["image_os_type"] = "windows"
        instance.save()
        case._adjust(windows, current_vcpus=2)
        case._has(2, 256, windows)


class BlockedByHost(State):
    """Servers on hosts that cannot adjust them: what nova-compute knows of its host is changed."""

    FACTS = {
        "HYPERVISOR": {"virt_type": "lxc"},
        "NO_BALLOON": {"balloon_device": False},
        "FILE_BACKED_MEMORY": {"file_backed_memory": True},
    }

    def prepare(self, case):
        for name, facts in self.FACTS.items():
            host = name.lower().replace("_", "-")
            case.start_compute(host)
            self.small(name, host=host)
            xloud = case.computes[host].manager.xloud
            xloud.learn(dataclasses.replace(xloud._facts, **facts))


class WithoutMinimums(State):
    """A server whose flavor has no minimums: all its vCPUs were there at boot."""

    def prepare(self, case):
        self.small("WITHOUT_MINIMUMS", {})


class StatusForAdminsOnly(State):
    def prepare(self, case):
        rules = {"os_compute_api:xloud:status": "rule:context_is_admin"}
        case.policy.set_rules(rules, overwrite=False)
