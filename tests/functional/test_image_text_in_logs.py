# SPDX-License-Identifier: Apache-2.0
"""What a tenant writes into an image's properties makes no line of its own in a log."""

import logging

import ddt

from tests.functional.base import AdjustTestCase
from tests.functional.test_images_at_hand import ImagesTestCase
from tests.functional.test_log_safety import FORGED, AllLines


def _logged(case):
    lines = AllLines()
    logging.getLogger().addHandler(lines)
    case.addCleanup(logging.getLogger().removeHandler, lines)
    return lines


def _is_in_one_line(lines):
    """Check that what was forged is logged, as who looks for it has to find it, and is escaped."""
    said = [line for line in lines.said_by("nova", level=logging.INFO) if "forged" in line]
    assert said
    assert [line for line in said if "\n" in line or "\x1b" in line] == []


@ddt.ddt
class RefusedImages(ImagesTestCase):
    MACHINE = {"hw_machine_type": f"virt{FORGED}"}

    @ddt.data("rebuild", "rescue")
    def test_machine_type_is_logged_in_one_line(self, action):
        image = self._image(**self.MACHINE)
        name = {"rebuild": "imageRef", "rescue": "rescue_image_ref"}[action]
        lines = _logged(self)
        self._refused_with(400, {action: {name: image}}, "machine of type")
        _is_in_one_line(lines)

    def test_machine_type_of_a_snapshot_is_logged_in_one_line(self):
        self._shelve_server(self.server, expected_state="SHELVED_OFFLOADED")
        self.image = self._record(self.server).system_metadata["shelved_image_id"]
        self._change_image(**self.MACHINE)
        lines = _logged(self)
        self._refused_with(400, {"unshelve": None}, "machine of type")
        _is_in_one_line(lines)


class RefusedAdjustments(AdjustTestCase):
    def test_system_of_the_image_is_logged_in_one_line(self):
        # Newer releases of Nova build no guest with an escape in a property: XML has none.
        system = "windows\n2026-12-01 CRITICAL forged"
        self.server = self._elastic(image_uuid=self._image(os_distro=system))
        self._adjust(current_vcpus=3)
        self._has(3, 512)
        lines = _logged(self)
        self._refused(409, "xloud.blocked.vcpu_removal", current_vcpus=2)
        _is_in_one_line(lines)
        (blocker,) = self._status()["blockers"]
        assert repr(system) in blocker["message"]
