# SPDX-License-Identifier: Apache-2.0
"""What the API lets an operator write into a flavor."""

import itertools
import json

from nova.tests.functional import integrated_helpers
from nova.tests.functional.api.client import OpenStackApiException

from tests.functional.bad_extra_specs import NO_SPEC_VALUES
from tests.functional.raw_requests import RawRequests


class FlavorExtraSpecs(RawRequests, integrated_helpers._IntegratedTestBase):
    ADMIN_API = True
    api_major_version = "v2.1"
    microversion = "latest"

    def setUp(self):
        super().setUp()
        self.flavor_id = self._create_flavor(vcpu=4, memory_mb=1024)

    def _set(self, **specs):
        specs = {name.replace("__", ":"): value for name, value in specs.items()}
        return self.admin_api.post_extra_spec(self.flavor_id, {"extra_specs": specs})

    def _refused(self, *words, **specs):
        error = self.assertRaises(OpenStackApiException, self._set, **specs)
        assert error.response.status_code == 400
        for word in words:
            assert word in error.response.text, f"{word!r} is not in {error.response.text}"
        stored = self.admin_api.get_extra_specs(self.flavor_id)
        assert not set(stored) & {name.replace("__", ":") for name in specs}

    def test_good_in_both_spellings(self):
        self._set(minimum_cpu="1", minimum_memory="512")
        self._set(xloud__minimum_cpu="1", xloud__minimum_memory="512")
        assert self.admin_api.get_extra_specs(self.flavor_id) == {
            "minimum_cpu": "1",
            "minimum_memory": "512",
            "xloud:minimum_cpu": "1",
            "xloud:minimum_memory": "512",
        }

    def test_the_maximum_itself_is_a_minimum(self):
        self._set(minimum_cpu="4", minimum_memory="1024")

    def test_mode_profile_and_weight_of_automatic_growth(self):
        for mode in ("off", "observe", "on"):
            self._set(xloud__autoscale=mode)
        for profile in ("dense", "balanced", "careful"):
            self._set(xloud__autoscale_profile=profile)
        for weight in ("1", "1000"):
            self._set(xloud__autoscale_weight=weight)

    def test_nonsense_of_automatic_growth_is_refused_at_every_microversion(self):
        for microversion in ("latest", "2.1"):
            self.admin_api.microversion = microversion
            self._refused("xloud:autoscale", "off, observe, on", xloud__autoscale="yes")
            self._refused("dense, balanced, careful", xloud__autoscale_profile="brave")
            for weight in ("0", "1001", "heavy", "-1", "1.5"):
                self._refused("from 1 to 1000", xloud__autoscale_weight=weight)

    def test_no_odd_value_is_a_mode_a_profile_or_a_weight(self):
        url = f"/v2.1/flavors/{self.flavor_id}/os-extra_specs"
        names = ("xloud:autoscale", "xloud:autoscale_profile", "xloud:autoscale_weight")
        for name, value in itertools.product(names, NO_SPEC_VALUES):
            for version in ("compute 2.1", "compute latest"):
                body = json.dumps({"extra_specs": {name: value}}).encode()
                answer = self.send("POST", url, body, openstack_api_version=version)
                assert answer.status_int == 400, (name, value, version)
                body = json.dumps({name: value}).encode()
                answer = self.send("PUT", f"{url}/{name}", body, openstack_api_version=version)
                assert answer.status_int == 400, (name, value, version)
        assert self.admin_api.get_extra_specs(self.flavor_id) == {}

    def test_not_an_integer(self):
        self._refused("minimum_cpu", "two", minimum_cpu="two")
        self._refused("minimum_memory", "1.5", minimum_memory="1.5")

    def test_zero_and_negative(self):
        self._refused("minimum_cpu", "at least 1", minimum_cpu="0")
        self._refused("xloud:minimum_memory", "at least 1", xloud__minimum_memory="-1")

    def test_larger_than_the_flavor_names_both_numbers(self):
        self._refused("minimum_cpu=5", "4 vCPUs", minimum_cpu="5")
        self._refused("xloud:minimum_memory=2048", "1024 MiB", xloud__minimum_memory="2048")

    def test_larger_than_the_flavor_by_the_update_call(self):
        error = self.assertRaises(
            OpenStackApiException,
            self.admin_api.api_put,
            f"/flavors/{self.flavor_id}/os-extra_specs/minimum_cpu",
            {"minimum_cpu": "9"},
        )
        assert error.response.status_code == 400
        assert "minimum_cpu=9" in error.response.text

    def test_memory_below_the_floor_names_both_numbers_and_the_way_out(self):
        for name in ("minimum_memory", "xloud__minimum_memory"):
            spelled = f"{name.replace('__', ':')}=64"
            self._refused(spelled, "256 MiB", "set it to at least 256", **{name: "64"})
        self.admin_api.microversion = "2.1"
        self._refused("minimum_memory=1", "256 MiB", minimum_memory="1")

    def test_memory_below_the_share_of_a_large_flavor(self):
        self.flavor_id = self._create_flavor(vcpu=4, memory_mb=262144)
        self._refused("minimum_memory=4096", "10646 MiB", minimum_memory="4096")
        self._set(minimum_memory="10646")

    def test_memory_below_the_floor_by_the_update_call(self):
        error = self.assertRaises(
            OpenStackApiException,
            self.admin_api.api_put,
            f"/flavors/{self.flavor_id}/os-extra_specs/xloud:minimum_memory",
            {"xloud:minimum_memory": "255"},
        )
        assert error.response.status_code == 400
        assert "xloud:minimum_memory=255" in error.response.text

    def test_a_flavor_that_is_smaller_than_the_floor(self):
        self.flavor_id = self._create_flavor(vcpu=1, memory_mb=128)
        self._refused("minimum_memory=64", "128 MiB", minimum_memory="64")
        self._set(minimum_memory="128")

    def test_the_floor_is_an_operators(self):
        self.flags(memory_floor_mb=64, memory_floor_percent=0, group="xloud")
        self._set(minimum_memory="64")
        # What was good once does not keep the other minimum from being set.
        self.flags(memory_floor_mb=512, group="xloud")
        self._set(minimum_cpu="2")
        self._refused("512 MiB", xloud__minimum_memory="64")

    def test_two_spellings_that_differ(self):
        self._refused("differ", minimum_cpu="1", xloud__minimum_cpu="2")

    def test_second_spelling_set_later_that_differs(self):
        self._set(minimum_memory="512")
        self._refused("differ", xloud__minimum_memory="256")

    def test_unknown_name_in_the_namespace(self):
        self._refused("xloud:minimum_disk", xloud__minimum_disk="1")

    def test_old_microversions_are_no_way_round(self):
        self.admin_api.microversion = "2.1"
        self._refused("must be an integer", minimum_cpu="two")
        self._refused("minimum_cpu=5", minimum_cpu="5")

    def test_others_are_left_alone(self):
        self._set(quota__cpu_shares="512", hw__cpu_cores="2")
