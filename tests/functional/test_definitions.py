# SPDX-License-Identifier: Apache-2.0
"""What libvirt would start a guest with, what pins its memory, and guests in ERROR."""

import contextlib
import os
from unittest import mock

import ddt
from lxml import etree
from nova import exception
from nova.compute import vm_states
from nova.conf import CONF
from nova.context import RequestContext
from nova.network import neutron
from nova.tests import fixtures as nova_fixtures
from nova.tests.functional.api.client import OpenStackApiException
from oslo_utils.fixture import uuidsentinel as uuids

from nova_xloud.compute.host import Host
from nova_xloud.core.size import Size
from tests.functional.clouds import GROWN, MovesTestCase
from tests.functional.invariants import InvariantsTestCase

LARGEST = (4, 1024)


class DefinitionTestCase(MovesTestCase):
    def _configured(self):
        config = self.guests.domain(self.server["id"]).config
        return config.vcpus, config.memory_kib // 1024

    def _comes_to_be_configured(self, vcpus, memory_mb):
        def passes_and_is():
            for host in self.hosts:
                self.computes[host].manager.xloud.reconcile().join()
            assert self._configured() == (vcpus, memory_mb)

        self._wait(passes_and_is)

    def _act(self, action, status):
        self.admin_api.post_server_action(self.server["id"], action)
        self._wait_for_state_change(self.server, status)

    def _rescued_and_unrescued(self):
        os.makedirs(os.path.join(CONF.instances_path, self.server["id"]), exist_ok=True)
        self._act({"rescue": {}}, "RESCUE")
        self._act({"unrescue": None}, "ACTIVE")


class Definition(DefinitionTestCase):
    def test_live_then_persisted_it_is_what_a_soft_reboot_starts(self):
        self._adjust(current_vcpus=1, current_memory_mb=512, persist=False)
        self._wait(lambda: self.assertEqual(1, self._status()["vcpus"]["actuated"]))
        assert self._configured() == GROWN
        self._adjust(current_vcpus=1, current_memory_mb=512)
        self._wait(lambda: self.assertEqual((1, 512), self._configured()))
        self._wait(lambda: self.assertEqual((1, 512), self._claims_on("host1")))
        self._reboot_server(self.server)
        assert self._status()["vcpus"]["actuated"] == 1

    def test_live_migrated_rescued_and_unrescued(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024, persist=False)
        self._has(*LARGEST)
        self._live_migrate(self.server, host="host2")
        self._comes_to_be_configured(*GROWN)
        self._has(*LARGEST)
        self._rescued_and_unrescued()
        assert self._status()["vcpus"]["actuated"] == GROWN[0]
        assert self._configured() == GROWN

    def test_the_xml_that_unrescue_starts_has_the_persisted_size(self):
        self._adjust(current_vcpus=4, current_memory_mb=1024, persist=False)
        self._has(*LARGEST)
        # No pass puts the definition right that a live migration makes of the live size.
        with mock.patch.object(Host, "reconcile", autospec=True):
            self._live_migrate(self.server, host="host2")
            self._rescued_and_unrescued()
        assert self._status()["vcpus"]["actuated"] == GROWN[0]
        assert self._configured() == GROWN


class Attached(DefinitionTestCase):
    """A port whose device is passed through."""

    def _attach(self, port):
        body = {"interfaceAttachment": {"port_id": port["id"]}}
        return self.admin_api.api_post(f"/servers/{self.server['id']}/os-interface", body)

    def _refused(self, port, by_us):
        error = self.assertRaises(OpenStackApiException, self._attach, port)
        said = error.response.text
        # Nova's own fake has no such device to give, so all that is not ours is another error.
        assert (error.response.status_code == 400 and "xloud.blocked.vfio" in said) is by_us, said
        return said

    def setUp(self):
        super().setUp()
        self.ports = {
            "direct": nova_fixtures.NeutronFixture.sriov_port,
            "direct-physical": nova_fixtures.NeutronFixture.sriov_pf_port,
            "macvtap": nova_fixtures.NeutronFixture.macvtap_port,
        }
        for port in self.ports.values():
            self.neutron._ports[port["id"]] = dict(port)
        # They are of a network that Nova's fixture has only for those who ask for it.
        network, subnet = self.neutron.network_2, self.neutron.subnet_2
        self.neutron._networks[network["id"]] = network
        self.neutron._subnets[subnet["id"]] = subnet

    def test_below_its_maximum_it_is_refused_with_both_numbers(self):
        for name in ("direct", "direct-physical"):
            said = self._refused(self.ports[name], by_us=True)
            for part in ("the server holds 768 MiB", "1024 MiB", name):
                assert part in said

    def test_a_macvtap_port_pins_nothing(self):
        self._refused(self.ports["macvtap"], by_us=False)

    def test_at_its_maximum_it_is_novas_to_say(self):
        self._adjust(current_memory_mb=1024)
        self._has(GROWN[0], 1024)
        self._refused(self.ports["direct"], by_us=False)

    def test_port_of_another_project_is_not_revealed(self):
        port = {**self.ports["direct"], "id": uuids.foreign, "tenant_id": uuids.other}
        self.neutron._ports[port["id"]] = port
        with self._shown_to_administrators_only():
            error = self.assertRaises(OpenStackApiException, self._attach, port)
        assert error.response.status_code == 404
        assert "direct" not in error.response.text

    @contextlib.contextmanager
    def _shown_to_administrators_only(self):
        """Nova's fake of Neutron shows each port to everybody."""
        elevate, show_port = RequestContext.elevated, neutron.API.show_port

        def elevated(context, *args, **kwargs):
            copy = elevate(context, *args, **kwargs)
            copy.sees_all_ports = True
            return copy

        def shown(api, context, port_id):
            if not hasattr(context, "sees_all_ports"):
                raise exception.PortNotFound(port_id=port_id)
            return show_port(api, context, port_id)

        with (
            mock.patch.object(RequestContext, "elevated", elevated),
            mock.patch.object(neutron.API, "show_port", shown),
        ):
            yield

    def _boots_with(self, flavor_id, port):
        server = self._build_server(
            flavor_id=flavor_id,
            networks=[{"port": port["id"]}],
            image_uuid="155d900f-4e14-4e4c-a73d-069cbf4541e6",
        )
        return self.admin_api.post_server({"server": server})

    def _built(self):
        return self.admin_api.get_servers(search_opts={"status": "BUILD"})

    def test_at_create_it_is_refused_with_both_numbers(self):
        flavor = self._flavor(minimum_memory=512)
        error = self.assertRaises(
            OpenStackApiException, self._boots_with, flavor, self.ports["direct"]
        )
        assert error.response.status_code == 400
        for part in ("xloud.blocked.vfio", "512 of 1024 MiB", "(vnic_type direct)"):
            assert part in error.response.text

    def test_create_with_full_memory_or_another_port_is_left_to_nova(self):
        for flavor, name in (
            (self._flavor(minimum_cpu=1), "direct"),
            (self._flavor(minimum_memory=512), "macvtap"),
        ):
            self._boots_with(flavor, self.ports[name])
        # The cloud is not taken away while it builds them.
        self._wait(lambda: self.assertEqual([], self._built()))

    def test_attached_vdpa_device_claims_the_maximum_and_blocks_memory(self):
        connection = self.computes["host1"].driver._host.get_connection()
        domain = connection.lookupByUUIDString(self.server["id"])
        mac = "<mac address='52:54:00:00:00:01'/>"
        vdpa = f"<interface type='vdpa'>{mac}<source dev='/dev/x'/></interface>"
        domain.attachDeviceFlags(vdpa, 0)
        assert (
            etree.fromstring(domain.XMLDesc(0)).find("devices/interface[@type='vdpa']") is not None
        )
        self.computes["host1"].manager.xloud.reconcile().join()
        self._wait(lambda: self.assertEqual((GROWN[0], 1024), self._claims_on("host1")))
        status = self._status()
        assert status["memory_mb"]["actuated"] == 1024
        assert [b["code"] for b in status["blockers"]] == ["xloud.blocked.vfio"]


class Devices(DefinitionTestCase):
    """A pass looks after a device was attached: it may pin memory."""

    def setUp(self):
        super().setUp()
        self.cinder = self.useFixture(nova_fixtures.CinderFixture(self))

    def _looked_at_by(self, attach):
        with mock.patch.object(Host, "reconcile", autospec=True) as begun:
            attach()
            self._wait(begun.assert_called)

    def test_a_pass_looks_after_an_interface_is_attached(self):
        body = {"interfaceAttachment": {"net_id": self.neutron.network_1["id"]}}
        url = f"/servers/{self.server['id']}/os-interface"
        self._looked_at_by(lambda: self.admin_api.api_post(url, body))

    def test_a_pass_looks_after_a_volume_is_attached(self):
        volume = self.cinder.IMAGE_BACKED_VOL
        self._looked_at_by(
            lambda: self.admin_api.post_server_volume(
                self.server["id"], {"volumeAttachment": {"volumeId": volume}}
            )
        )


@ddt.ddt
class ByHand(InvariantsTestCase):
    """The checker sees what was made by hand."""

    def _set_config(self, vcpus, memory_mb):
        guest = self.guests.domain(self.server["id"])
        guest.set_vcpus(vcpus, live=False, config=True, hotpluggable=True)
        guest.set_memory(memory_mb * 1024, live=False, config=True)

    @ddt.data((4, 512), (1, 1024))
    def test_a_definition_larger_than_the_claim(self, size):
        self._set_config(*size)
        (finding,) = self._broken("reserved_below_defined")
        assert str(Size(*size)) in finding["what"]
        self.computes["host1"].manager.xloud.reconcile().join()
        self._wait(self._holds)

    def test_a_guest_in_error_that_holds_more_than_its_claim(self):
        record = self._record(self.server)
        record.vm_state = vm_states.ERROR
        record.save()
        self.guests.domain(self.server["id"]).set_vcpus(
            3, live=True, config=False, hotpluggable=True
        )
        self._broken("reserved_below_held")
        self.computes["host1"].manager.xloud.reconcile().join()
        self._wait(self._holds)
        assert self._reserved(self.server)["VCPU"] == 3

    def test_pinned_memory_larger_than_the_claim(self):
        connection = self.computes["host1"].driver._host.get_connection()
        domain = connection.lookupByUUIDString(self.server["id"])
        domain._pins.append(etree.fromstring("<memoryBacking><locked/></memoryBacking>"))
        (finding,) = self._broken("reserved_below_held")
        assert "pinned" in finding["what"]
