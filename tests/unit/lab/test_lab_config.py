# SPDX-License-Identifier: Apache-2.0
"""The files of the lab's services, and other values in them for as long as a block lasts."""

from pathlib import Path

from lab.services import config

SECTIONS = {"DEFAULT": {"host": "compute1"}, "xloud": {"boot_grace": 10, "step_timeout": 12}}


def test_value_is_replaced_and_all_else_stays(tmp_path: Path) -> None:
    before = config.write(tmp_path / "nova.conf", SECTIONS).read_text()
    after = config.with_values(before, "xloud", {"boot_grace": 60, "autoscale_window": 90})
    assert after.splitlines() == [
        "[DEFAULT]",
        "host = compute1",
        "",
        "[xloud]",
        "boot_grace = 60",
        "step_timeout = 12",
        "autoscale_window = 90",
    ]
    assert config.with_values(before, "xloud", {}) == before
