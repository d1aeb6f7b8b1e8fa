# SPDX-License-Identifier: Apache-2.0
"""What the upgrade check makes of a cloud in which servers are scaled automatically."""

from __future__ import annotations

import pytest

from nova_xloud.core.checks.autoscale import judge_autoscale
from nova_xloud.core.checks.services import About, Runs, Service
from nova_xloud.core.checks.upgrade_check import Level, StoredFlavor
from nova_xloud.core.size import Size


def conductor(version: str | None) -> Service:
    about = None if version is None else About("1", version)
    runs = Runs.STOCK if version is None else Runs.EXTENDED
    return Service("nova-conductor", "c1", runs, about)


def flavor(**specs: str) -> StoredFlavor:
    named = {name.replace("__", ":"): value for name, value in specs.items()}
    return StoredFlavor("f", Size(4, 1024), named)


SCALED = flavor(xloud__autoscale="on", minimum_cpu="1")


@pytest.mark.parametrize("version", ["1.6", "1.10", "2.0"])
def test_conductor_that_checks_quotas_is_fine(version: str) -> None:
    verdict = judge_autoscale({"h": "on"}, "on", [conductor(version)], [SCALED])
    assert verdict.level is Level.SUCCESS
    assert "1 of 1 flavors ask for automatic growth" in verdict.details


@pytest.mark.parametrize("version", [None, "1.5", "0.9", "later"])
@pytest.mark.parametrize(
    ("here", "flavors"), [("on", [flavor()]), ("off", [SCALED])], ids=["option", "flavor"]
)
def test_conductor_that_cannot_is_a_warning_where_growth_is_asked_for(
    version: str | None, here: str, flavors: list[StoredFlavor]
) -> None:
    verdict = judge_autoscale({"h": here}, here, [conductor(version)], flavors)
    assert verdict.level is Level.WARNING
    assert "nova-conductor on c1 cannot check quotas" in verdict.details


def test_conductor_does_not_matter_where_nothing_is_scaled() -> None:
    off = flavor(xloud__autoscale="off", minimum_cpu="1")
    assert judge_autoscale({"h": "off"}, "off", [conductor(None)], [off]).level is Level.SUCCESS


def test_option_that_differs_is_named_with_its_host() -> None:
    verdict = judge_autoscale({"a": "on", "b": "off"}, "off", [conductor("1.6")], [])
    assert verdict.level is Level.WARNING
    assert "off in nova.conf here, and on on a;" in verdict.details


def test_flavor_without_a_minimum_is_named() -> None:
    verdict = judge_autoscale({}, "off", [conductor("1.6")], [flavor(xloud__autoscale="on")])
    assert verdict.level is Level.WARNING
    assert "flavors f have xloud:autoscale and name no minimum" in verdict.details


def test_value_that_is_not_allowed_is_named_with_its_flavor() -> None:
    odd = flavor(xloud__autoscale="enabled", xloud__autoscale_weight="5000", minimum_cpu="1")
    fine = flavor(xloud__autoscale_profile="dense")
    verdict = judge_autoscale({}, "off", [], [odd, SCALED, fine])
    assert verdict.level is Level.WARNING
    (issue,) = [one for one in verdict.issues if "must be" in one.what]
    assert issue.what == (
        "flavor f: extra spec xloud:autoscale is 'enabled'; it must be one of off, observe, on; "
        "extra spec xloud:autoscale_weight is '5000'; it must be an integer from 1 to 1000"
    )
    assert "unset" in issue.remedy


def test_values_that_are_allowed_are_fine() -> None:
    one = flavor(
        xloud__autoscale="observe",
        xloud__autoscale_profile="careful",
        xloud__autoscale_weight="1000",
        minimum_cpu="1",
    )
    assert judge_autoscale({}, "off", [conductor("1.6")], [one]).level is Level.SUCCESS
