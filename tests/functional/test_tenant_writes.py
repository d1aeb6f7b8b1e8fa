# SPDX-License-Identifier: Apache-2.0
"""Whatever a tenant writes that looks like ours has no effect: sizes, claims and records."""

import base64
import json
from unittest import mock

from hypothesis import example, given
from hypothesis import strategies as st
from nova.tests.functional.api.client import OpenStackApiException

from nova_xloud.core.sizing.facts import IMAGE_PROPERTIES
from tests.functional.base import AdjustTestCase
from tests.functional.fuzz_settings import fuzz_settings
from tests.functional.raw_requests import SERVERS, RawRequests

# Each key of the record, and each extra spec, with a value that would mean more than is held.
LOOKS_LIKE_OURS = {
    "xloud_vcpus": "4",
    "xloud_memory_mb": "1024",
    "xloud_live_vcpus": "4",
    "xloud_live_memory_mb": "1024",
    "xloud_before_vcpus": "4",
    "xloud_generation": "99",
    "xloud_revision": "99",
    "xloud_force": "1",
    "xloud_flavor": "1",
    "xloud_phase": "converged||",
    "xloud_removal_pending": "4",
    "xloud_gave_up": "4",
    "xloud_tries": "99",
    "xloud_condition_GaveUp": "|xloud.gave_up|forged",
    "xloud_autoscale": "on",
    "xloud_asked": "2026-11-30T00:00:00Z|4|1024",
    "xloud_history_0": "10|now|req-1|1x512|4x1024|x|y|me",
    "xloud_superseded": "req-1",
    "xloud_resized_from": "1",
    "xloud:autoscale": "on",
    "xloud:autoscale_profile": "dense",
    "xloud:autoscale_weight": "1000",
    "autoscale": "on",
    "minimum_cpu": "4",
    "minimum_memory": "1024",
    "xloud:minimum_cpu": "4",
    "xloud:minimum_memory": "1024",
}
# Tags must not have slashes and commas.
TAGS = [f"{key}={value}" for key, value in LOOKS_LIKE_OURS.items()]
USER_DATA = base64.b64encode(
    "\n".join(f"{key}: {value}" for key, value in LOOKS_LIKE_OURS.items()).encode()
).decode()
# Without lone surrogates, to which Nova's database answers with 500.
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ODD = st.sampled_from(
    [
        *("", "0", "-1", "1.0", "1e3", " 1", "1\n", "\u0661", "0x2", "1_0", "NaN", "\x00", "true"),
        *(
            "9" * 255,
            "9" * 256,
            "9" * 5000,
            "k" * 255,
            "k" * 256,
            "\U0001f4a9" * 255,
            "large",
            "any",
        ),
        *("required", "^0-1", "^0-99999999999", "mixed", "aarch64", "q35", "microvm"),
    ]
)
# Nova stores 255 bytes of a property, and reads it from there.
LONG = st.builds(
    lambda pad, text: f"{pad * 260}{text}", st.sampled_from([" ", "0", "\u00a0", "k"]), ODD
)
VALUES = ANY_TEXT | ODD | st.integers(-5, 2**70).map(str)
KEYS = st.sampled_from([*LOOKS_LIKE_OURS, "Minimum_CPU", " minimum_cpu", "xloud:"])
METADATA = st.dictionaries(KEYS | ANY_TEXT | ODD, VALUES | st.integers() | st.none(), max_size=6)
PROPERTIES = st.dictionaries(st.sampled_from(IMAGE_PROPERTIES) | KEYS, VALUES | LONG, max_size=6)


class TenantWrites(RawRequests, AdjustTestCase):
    def setUp(self):
        super().setUp()
        self.flags(instances=-1, metadata_items=-1, group="quota")
        self._has(1, 512)

    def _written(self, image=None):
        """A server between 1 / 512 and 4 / 1024, with all that a tenant can write at its create."""
        body = self._build_server(
            flavor_id=self._flavor(minimum_cpu=1, minimum_memory=512),
            networks="none",
            image_uuid=image,
        )
        body |= {"metadata": LOOKS_LIKE_OURS, "tags": TAGS, "user_data": USER_DATA}
        hints = {"xloud_vcpus": "4", "minimum_cpu": "4", "minimum_memory": "1024"}
        request = {"server": body, "os:scheduler_hints": hints}
        server = self.api.api_post("/servers", request).body["server"]
        return self._wait_for_state_change(server, "ACTIVE")

    def _record_of(self, server):
        found = self._record(server).system_metadata
        return {name: value for name, value in found.items() if name.startswith("xloud_")}

    def _is_as_if_nothing_was_written(self, server):
        self._has(1, 512, server)
        written, plain = self._status(server), self._status()
        assert written["autoscale"]["mode"] == "off"
        path = self.history_path(server)
        assert self.send("GET", path).json == {"xloud_history": []}
        for status in (written, plain):
            for condition in status["conditions"]:
                condition["since"] = ""
        assert written == plain
        assert self._record_of(server).keys() == self._record_of(self.server).keys()
        assert self._record_of(server).get("xloud_generation") in (None, "0")

    def test_what_is_written_at_the_create_has_no_effect(self):
        self._is_as_if_nothing_was_written(self._written())

    def test_properties_of_an_image_have_no_effect(self):
        image = self._image(**LOOKS_LIKE_OURS)
        self._is_as_if_nothing_was_written(self._written(image))

    def test_properties_named_as_those_of_an_image_have_no_effect(self):
        image = self._image(**{f"image_{key}": value for key, value in LOOKS_LIKE_OURS.items()})
        self._is_as_if_nothing_was_written(self._written(image))

    def test_what_is_written_later_has_no_effect(self):
        uuid = self.server["id"]
        self.user_api.api_post(f"/servers/{uuid}/metadata", {"metadata": LOOKS_LIKE_OURS})
        self.user_api.api_put(f"/servers/{uuid}/tags", {"tags": TAGS})
        self._has(1, 512)
        self._reboot_server(self.server, hard=True)
        self._has(1, 512)
        assert self._status()["generation"] == 0
        self.computes["host1"].manager.xloud.reconcile().join(30)
        self._has(1, 512)

    def test_what_is_written_is_kept_and_an_adjustment_goes_by_the_flavor(self):
        server = self._written()
        self._adjust(server, current_vcpus=2, current_memory_mb=640)
        self._has(2, 640, server)
        shown = self.api.get_server(server["id"])["metadata"]
        assert {name: shown[name] for name in LOOKS_LIKE_OURS} == LOOKS_LIKE_OURS
        self._reboot_server(server, hard=True)
        self._has(2, 640, server)
        error = self.assertRaises(OpenStackApiException, self._adjust, server, current_vcpus=5)
        assert "minimum of 1 and its maximum of 4" in error.response.text

    def test_a_rebuild_takes_no_record_from_an_image(self):
        image = self._image(**LOOKS_LIKE_OURS)
        self._rebuild_server(self.server, image)
        self._has(1, 512)
        assert self._status()["generation"] == 0

    def test_no_metadata_has_an_effect(self):
        path = f"/v2.1/servers/{self.server['id']}/metadata"
        decided = self._decided()
        answers = []

        @fuzz_settings(40)
        @given(METADATA)
        @example({"k" * 255: "v" * 255})
        @example({"k" * 256: "v"})
        @example({"minimum_cpu": "4", "minimum_memory": "9" * 255})
        def write(metadata):
            octets = json.dumps({"metadata": metadata}).encode()
            answer = self.send("PUT", path, octets)
            is_valid = all(
                0 < len(key) <= 255 and isinstance(value, str) and len(value) <= 255
                for key, value in metadata.items()
            )
            assert answer.status_int in ((200, 400) if is_valid else (400,)), answer.text
            answers.append(answer.status_int)
            if answer.status_int == 200:
                assert self._decided() == decided

        write()
        assert {200, 400} <= set(answers)
        self._has(1, 512)
        self._reboot_server(self.server, hard=True)
        self._has(1, 512)

    def _decided(self):
        """Return the server's status without what only time changes."""
        return {**self._status(), "conditions": []}

    def test_no_property_of_an_image_is_an_error_that_it_would_not_be_in_nova(self):
        """The same server of a flavor without minimums says what Nova makes of the image."""
        stock, elastic = self._flavor(), self._flavor(minimum_cpu=1, minimum_memory=512)
        answers = []

        @fuzz_settings(25)
        @given(PROPERTIES)
        @example({})
        @example({"hw_cpu_max_threads": "9" * 5000})
        @example({"hw_cpu_sockets": "0", "hw_cpu_realtime_mask": "^0-99999999999"})
        @example({"hw_cpu_sockets": f"{' ' * 300}1"})
        @example({"hw_cpu_max_sockets": f"{'0' * 254}12"})
        @example({"hw_mem_page_size": "9" * 300})
        @example({"hw_numa_cpus.0": f"{' ' * 300}1"})
        def create(properties):
            image = self._image(**properties)
            told = [self._created(flavor, image) for flavor in (stock, elastic)]
            answers.append(tuple(one.status_int for one in told))
            if told[0].status_int >= 400:
                assert told[1].text == told[0].text, properties
            else:
                assert told[1].status_int in (202, 400), (properties, told[1].text)
            for server in (one.json["server"] for one in told if one.status_int == 202):
                self._can_be_read(server)

        # No guest is built: each create ends when nova-api has admitted it.
        with mock.patch("nova.conductor.api.ComputeTaskAPI.schedule_and_build_instances"):
            create()
        assert (202, 202) in answers, answers

    def _can_be_read(self, server):
        """What Nova has stored of a server's image is an error nowhere."""
        for path in (self.status_path(server), self.history_path(server)):
            assert self.send("GET", path).status_int == 200
        listed = self.send("GET", SERVERS, query="limit=2").json["xloud_servers"]
        assert server["id"] in {one["id"] for one in listed}

    def _created(self, flavor, image):
        server = self._build_server(flavor_id=flavor, networks="none", image_uuid=image)
        return self.send_to_nova("POST", "/v2.1/servers", {"server": server})
