# SPDX-License-Identifier: Apache-2.0
"""Calls of a program that can write to the message bus: each is refused, and nothing is claimed."""

import copy

import oslo_messaging as messaging
from nova import rpc
from nova.compute import rpcapi
from nova.conductor import rpcapi as conductor_rpcapi
from nova.objects import base as objects_base
from oslo_utils.fixture import uuidsentinel as uuids

from nova_xloud.core.convergence.plan import AdjustRequest
from nova_xloud.errors import HostUnavailable, Invalid, NotFound, OutOfBounds
from nova_xloud.rpc.client import XloudAPI, _result
from nova_xloud.rpc.versions import NAMESPACE
from tests.functional.clouds import MovesTestCase

GROW = {"vcpus": 4, "memory_mb": 1024, "persist": True}
# With these oslo.messaging answers a call that it does not dispatch, or that Python cannot make.
NOT_TAKEN = (messaging.UnsupportedVersion, messaging.NoSuchMethod, TypeError)


class Hostile(MovesTestCase):
    """Two hosts, and a server of 1 / 512 on the first one."""

    def _grow(self, server=None):
        self._has(1, 512)

    def setUp(self):
        super().setUp()
        self.context = self._in_the_cell()
        self.instance = self._record(self.server)

    def _call(self, method, host="host1", version="1.4", **arguments):
        """Return the answer to a call that is sent as it is, without the checks of nova-api."""
        target = messaging.Target(topic=rpcapi.RPC_TOPIC, namespace=NAMESPACE, version="1.0")
        serializer = objects_base.NovaObjectSerializer()
        client = rpc.get_client(target, serializer=serializer)
        return _result(
            client.prepare(server=host, version=version).call(self.context, method, **arguments)
        )

    def _hotplug(self, new_count=4, host="host1", **arguments):
        """Call ``hotplug_vcpus`` in Nova's own namespace, where no endpoint of ours is asked."""
        target = messaging.Target(topic=rpcapi.RPC_TOPIC, version="6.0")
        client = rpc.get_client(target, serializer=objects_base.NovaObjectSerializer())
        arguments = {"instance": self.instance, "new_count": new_count, **arguments}
        return client.prepare(server=host).call(self.context, "hotplug_vcpus", **arguments)

    def _ask_conductor(self, method, version="1.6", **arguments):
        """Return what nova-conductor answers to a call, as it is."""
        topic = conductor_rpcapi.RPC_TOPIC
        target = messaging.Target(topic=topic, namespace=NAMESPACE, version="1.0")
        client = rpc.get_client(target, serializer=objects_base.NovaObjectSerializer())
        return client.prepare(version=version).call(self.context, method, **arguments)

    def _fails(self, method, **options):
        """Check that no endpoint takes the call: the bus or Python itself refuses it."""
        self.assertRaises(NOT_TAKEN, self._call, method, **options)

    def _nothing_is_claimed(self):
        self._has(1, 512)
        assert self._claims_on("host1") == (1, 512)
        assert self._claims_on("host2") == (0, 0)
        assert self._status()["generation"] == 0

    def _methods(self, **sizes):
        grow = {**GROW, **sizes}
        yield "adjust", {**grow, "answer_within": 10.0}
        yield "reserve", {**grow, "force": False}
        yield "hotplug_vcpus", {"new_count": grow["vcpus"]}

    def test_a_server_of_another_host_is_refused(self):
        for method, arguments in self._methods():
            self.assertRaises(
                NotFound, self._call, method, host="host2", instance=self.instance, **arguments
            )
        self.assertRaises(NotFound, self._hotplug, host="host2")
        self._nothing_is_claimed()

    def test_a_number_of_vcpus_that_is_no_integer_is_refused_in_each_namespace(self):
        for number in (True, False, 2.0, float("nan"), "2", None, [2], {"vcpus": 2}):
            self.assertRaises(Invalid, self._hotplug, number)
            self.assertRaises(
                Invalid, self._call, "hotplug_vcpus", instance=self.instance, new_count=number
            )
        self._nothing_is_claimed()

    def test_an_instance_that_says_it_is_on_another_host_is_read_again(self):
        forged = copy.deepcopy(self.instance)
        forged.host = "host2"
        forged.node = "host2"
        forged.obj_reset_changes()
        for method, arguments in self._methods():
            self.assertRaises(
                NotFound, self._call, method, host="host2", instance=forged, **arguments
            )
        self.assertRaises(NotFound, self._hotplug, host="host2", instance=forged)
        self._nothing_is_claimed()

    def test_an_instance_that_says_it_has_a_larger_flavor_is_read_again(self):
        forged = copy.deepcopy(self.instance)
        forged.flavor.vcpus, forged.flavor.memory_mb = 64, 65536
        forged.system_metadata = {**forged.system_metadata, "xloud_vcpus": "64"}
        for method, arguments in self._methods(vcpus=8, memory_mb=2048):
            self.assertRaises(OutOfBounds, self._call, method, instance=forged, **arguments)
        self.assertRaises(OutOfBounds, self._hotplug, 8, instance=forged)
        self._nothing_is_claimed()

    def test_an_instance_that_is_none_is_not_found(self):
        forged = copy.deepcopy(self.instance)
        forged.uuid = uuids.nobody
        for method, arguments in self._methods():
            self.assertRaises(NotFound, self._call, method, instance=forged, **arguments)
        self.assertRaises(NotFound, self._hotplug, instance=forged)
        for method, arguments in self._methods():
            # Nova 34 reads the instance itself, and fails; an older Nova leaves it to nova-xloud.
            text = {"instance": self.instance.uuid}
            self.assertRaises((AttributeError, Invalid), self._call, method, **text, **arguments)
        self.assertRaises((AttributeError, Invalid), self._hotplug, **text)
        self._nothing_is_claimed()

    def test_an_unreserve_of_another_hosts_server_releases_nothing(self):
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)
        self._call("unreserve", host="host2", version="1.2", instance=self.instance)
        self._call("unreserve", version="1.2", instance=self.instance)
        self._has(3, 768)
        assert self._claims_on("host1") == (3, 768)

    def test_a_replayed_adjustment_is_refused_when_nobody_waits_for_it_any_more(self):
        now = self._call("now", instance=self.instance)
        past = {**now, "seconds": now["seconds"] - 1}
        before_restart = {**now, "clock": "of the process before"}
        for by in (past, before_restart):
            for method, arguments in self._methods():
                within = {**arguments, "answer_within": 10.0, "answer_by": by}
                self.assertRaises(
                    HostUnavailable, self._call, method, instance=self.instance, **within
                )
        self._nothing_is_claimed()

    def test_an_adjustment_that_comes_twice_is_one(self):
        now = self._call("now", instance=self.instance)
        by = {**now, "seconds": now["seconds"] + 60}
        twice = {**GROW, "answer_within": 60.0, "answer_by": by, "instance": self.instance}
        first = self._call("adjust", **twice)
        self._has(4, 1024)
        second = self._call("adjust", **twice)
        assert (first["nothing_to_do"], second["nothing_to_do"]) == (False, True)
        assert self._status()["generation"] == first["generation"] == 1

    def test_of_adjustments_that_come_in_another_order_the_last_one_counts(self):
        api = XloudAPI()
        for vcpus in (3, 2, 4, 1):
            api.adjust(self.context, self.instance, AdjustRequest(vcpus, None))
        self._has(1, 512)
        self._wait(lambda: self.assertEqual((1, 512), self._claims_on("host1")))
        self._invariants_hold()

    def test_a_version_or_a_call_that_is_not_known_is_refused(self):
        instance = {"instance": self.instance}
        for version in ("1.7", "1.99", "2.0"):
            self._fails("status", version=version, **instance)
        for method in ("_deadline", "__init__", "host", "target", "shutdown", "adjust_"):
            self._fails(method, **instance)
        self._nothing_is_claimed()

    def test_arguments_that_are_missing_or_too_many_change_nothing(self):
        for method, arguments in self._methods():
            for name in ("vcpus", "memory_mb", "persist", "new_count"):
                if name in arguments:
                    left = {key: value for key, value in arguments.items() if key != name}
                    self._fails(method, instance=self.instance, **left)
            self._fails(method, instance=self.instance, later=1, **arguments)
        self._nothing_is_claimed()

    def test_a_conductor_checks_and_changes_nothing_whatever_it_is_asked(self):
        self.flags(cores=2, group="quota")
        grow = {"uuid": self.server["id"], "vcpus": 4, "memory_mb": 1024}
        for _ in range(3):
            refused = self._ask_conductor("check_growth", **grow)["refused"]
            assert (refused["code"], refused["status"]) == ("xloud.quota", 403)
        for name, value, code in (
            ("uuid", uuids.nobody, "xloud.not_found"),
            ("uuid", "x" * 5000, "xloud.not_found"),
            ("uuid", "\x00", "xloud.not_found"),
            ("uuid", None, "xloud.invalid"),
            ("uuid", ["a"], "xloud.invalid"),
            ("vcpus", "4", "xloud.invalid"),
            ("vcpus", 4.0, "xloud.invalid"),
            ("memory_mb", True, "xloud.invalid"),
            ("memory_mb", None, "xloud.invalid"),
        ):
            refused = self._ask_conductor("check_growth", **{**grow, name: value})["refused"]
            assert refused["code"] == code, (name, value, refused)
        # No growth, or above the flavor's size: the compute host itself refuses that.
        for sizes in ({"vcpus": 0}, {"vcpus": -(2**70)}, {"vcpus": 2**70}, {"memory_mb": 2**70}):
            assert "Traceback" not in str(self._ask_conductor("check_growth", **{**grow, **sizes}))
        self._nothing_is_claimed()

    def test_a_conductor_takes_no_other_call_and_no_other_arguments(self):
        grow = {"uuid": self.server["id"], "vcpus": 4, "memory_mb": 1024}
        for method, version, arguments in (
            *(("check_growth", version, grow) for version in ("1.7", "2.0")),
            *(("check_growth", "1.6", {**grow, later: 1}) for later in ("later", "context")),
            *(("check_growth", "1.6", {k: grow[k] for k in grow if k != n}) for n in grow),
            *((method, "1.6", {}) for method in ("_refusal", "__init__", "adjust", "status")),
            ("object_action", "1.6", {"objinst": self.instance, "objmethod": "destroy"}),
        ):
            self.assertRaises(NOT_TAKEN, self._ask_conductor, method, version=version, **arguments)
        self._nothing_is_claimed()

    def test_novas_own_methods_are_not_reached_through_our_namespace(self):
        for method in ("terminate_instance", "reboot_instance", "get_host_uptime"):
            self._fails(method, instance=self.instance)
        self._nothing_is_claimed()
