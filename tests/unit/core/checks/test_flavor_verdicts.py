# SPDX-License-Identifier: Apache-2.0
"""What an upgrade check makes of the flavors of a cloud."""

from __future__ import annotations

import pytest

from nova_xloud.core.checks.flavors import judge_flavors
from nova_xloud.core.checks.upgrade_check import Level, StoredFlavor, Verdict
from nova_xloud.core.size import Size

SUCCESS, WARNING, FAILURE = Level.SUCCESS, Level.WARNING, Level.FAILURE


def flavor(name: str = "f", memory_mb: int = 1024, **specs: str) -> StoredFlavor:
    named = {spec.replace("__", ":"): value for spec, value in specs.items()}
    return StoredFlavor(name, Size(4, memory_mb), named)


def test_flavors_are_judged_as_create_judges_them() -> None:
    fine = [flavor(), flavor(minimum_cpu="4"), flavor(xloud__minimum_memory="1024")]
    assert judge_flavors(fine) == Verdict("2 of 3 flavors name a minimum")
    for bad in (
        flavor("big", minimum_cpu="5"),
        flavor("big", xloud__minimum_memory="1025"),
        flavor("big", minimum_memory="lots"),
        flavor("big", minimum_cpu="1", xloud__minimum_cpu="2"),
    ):
        verdict = judge_flavors([*fine, bad])
        assert verdict.level is FAILURE
        assert verdict.details.startswith("flavor big: extra spec")
        assert "3 of 4" in verdict.details


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (flavor("a", minimum_memory="700"), "a (minimum 700 MiB)"),
        (flavor("b", xloud__minimum_memory="640"), "b (minimum 640 MiB)"),
        (flavor("c", 1000, minimum_memory="512"), "c (maximum 1000 MiB)"),
        (flavor("d", 1000, minimum_cpu="1"), "d (maximum 1000 MiB)"),
        (flavor("e", 1001, minimum_memory="701"), "e (minimum 701 MiB, maximum 1001 MiB)"),
    ],
    ids=lambda told: told if isinstance(told, str) else "",
)
def test_memory_that_a_console_would_round_is_a_warning_that_names_it(
    odd: StoredFlavor, told: str
) -> None:
    verdict = judge_flavors([flavor(minimum_memory="512"), odd])
    assert verdict.level is WARNING
    assert f"The memory of the flavors {told} is no multiple of 256 MiB" in verdict.details
    assert "sends another size back" in verdict.details
    assert "use multiples of 256 MiB" in verdict.details
    assert "openstack server adjust" in verdict.details


def test_flavors_that_a_console_would_round_are_one_issue() -> None:
    odd = [flavor("a", minimum_memory="700"), flavor("b", 1000, minimum_cpu="1")]
    (issue,) = judge_flavors(odd).issues
    assert "flavors a (minimum 700 MiB), b (maximum 1000 MiB) " in issue.what


def test_memory_of_flavors_without_minimums_may_be_anything() -> None:
    assert judge_flavors([flavor(memory_mb=1000), flavor(memory_mb=64)]).level is SUCCESS


def test_a_minimum_that_is_not_usable_is_not_said_to_be_rounded() -> None:
    (issue,) = judge_flavors([flavor(minimum_memory="lots")]).issues
    assert issue.level is FAILURE


@pytest.mark.parametrize(
    ("specs", "level"),
    [
        ({"minimum_memory": "512", "hw__mem_hotplug_virtio": "true"}, WARNING),
        ({"minimum_cpu": "1", "hw__mem_hotplug_virtio": "True"}, WARNING),
        ({"minimum_memory": "512", "hw__mem_hotplug_virtio": "false"}, SUCCESS),
        ({"minimum_memory": "512", "hw__machine_type": "q35"}, SUCCESS),
        ({"hw__mem_hotplug_virtio": "true"}, SUCCESS),
    ],
    ids=["with a minimum", "of vCPUs", "switched off", "the machine type alone", "no minimum"],
)
def test_virtio_mem_of_a_stored_flavor_is_a_warning(specs: dict[str, str], level: Level) -> None:
    verdict = judge_flavors([flavor("x", **specs)])
    assert verdict.level is level
    assert ("The flavors x have hw:mem_hotplug_virtio" in verdict.details) == (level is WARNING)
