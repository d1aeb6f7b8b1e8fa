# SPDX-License-Identifier: Apache-2.0
"""A laptop has openstacksdk and python-openstackclient, and no Nova."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

WITHOUT_NOVA = """
import sys
sys.modules["nova"] = sys.modules["libvirt"] = sys.modules["oslo_messaging"] = None
from importlib.metadata import entry_points
for group in ("openstack.cli.extension", "openstack.xloud.v1"):
    for one in entry_points(group=group):
        if one.value.startswith("nova_xloud."):
            print(one.name, one.load().__name__)
"""


def test_what_openstack_loads_needs_no_nova() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NOVA], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "server_adjust AdjustServer",
        "server_adjust_history ListHistory",
        "server_adjust_list ListAdjustments",
        "server_adjust_show ShowAdjustment",
        "xloud nova_xloud.client.plugin",
    ]


def test_the_extra_names_what_is_imported() -> None:
    extra = [
        line
        for line in importlib.metadata.requires("nova-xloud") or []
        if 'extra == "client"' in line
    ]
    names = {line.split(";")[0].strip() for line in extra}
    assert {"openstacksdk", "osc-lib", "python-openstackclient", "cliff", "keystoneauth1"} <= names
