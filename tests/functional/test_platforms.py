# SPDX-License-Identifier: Apache-2.0
"""Guests and hosts of other kinds: architecture, machine type, operating system."""

from tests.functional.base import AdjustTestCase, XloudTestCase


class Images(AdjustTestCase):
    def setUp(self):
        XloudTestCase.setUp(self)
        self.start_compute("host1")
        self.user_api = self.api_fixture.api

    def _of(self, **properties):
        self.server = self._elastic(image_uuid=self._image(**properties))

    def _blockers(self):
        return [(b["resource"], b["code"]) for b in self._status()["blockers"]]

    def test_windows_guest_grows_while_it_runs_and_shrinks_while_stopped(self):
        self._of(os_type="windows")
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)
        (blocker,) = self._status()["blockers"]
        assert (blocker["resource"], blocker["code"]) == ("vcpus", "xloud.blocked.vcpu_removal")
        assert "vCPUs can be added" in blocker["message"]
        self._refused(409, "xloud.blocked.vcpu_removal", current_vcpus=2)
        url = f"/os-xloud-adjust/{self.server['id']}"
        body = {"current_vcpus": 2, "dry_run": True}
        plan = self.admin_api.api_post(url, body, check_response_status=[200]).body["plan"]
        assert plan["refusal"]["code"] == "xloud.blocked.vcpu_removal"
        self._adjust(current_vcpus=4, current_memory_mb=512)
        self._has(4, 512)
        self._stop_server(self.server)
        assert self._blockers() == []
        self._adjust(current_vcpus=2)
        self._start_server(self.server)
        self._has(2, 512)

    def test_with_a_machine_that_takes_no_vcpus_begin_with_all_of_them(self):
        self._of(hw_machine_type="virt")
        self._has(4, 512)
        assert self._blockers() == [("vcpus", "xloud.blocked.vcpu_hotplug")]
        self._refused(409, "xloud.blocked.vcpu_hotplug", current_vcpus=2)
        self._adjust(current_memory_mb=768)
        self._has(4, 768)
        self._reboot_server(self.server, hard=True)
        self._has(4, 768)


class Hosts(XloudTestCase):
    def _start(self, architecture="x86_64"):
        uname = self.libvirt.mock_uname
        uname.return_value = uname.return_value._replace(machine=architecture)
        self.start_compute("host1")
        traits = self._get_provider_traits(self.compute_rp_uuids["host1"])
        return {trait for trait in traits if trait.startswith("CUSTOM_XLOUD")}

    def test_whose_architecture_takes_no_vcpus_do_not_offer_it(self):
        assert self._start("aarch64") == {"CUSTOM_XLOUD_MEMORY"}
        assert self.computes["host1"].manager.xloud._facts.architecture == "aarch64"
        self._boot(self._flavor(minimum_cpu=1), expected_state="ERROR")

    def test_whose_machine_type_takes_no_vcpus_do_not_offer_it(self):
        self.flags(hw_machine_type=["x86_64=microvm"], group="libvirt")
        assert self._start() == {"CUSTOM_XLOUD_MEMORY"}
        self._boot(self._flavor(minimum_cpu=1), expected_state="ERROR")
