# SPDX-License-Identifier: Apache-2.0
"""The seams of quotas without a cloud: what Nova is called with, and what its drivers count."""

from unittest import mock

import nova.conf
import pytest
from nova import context as nova_context
from nova import exception, objects
from oslo_limit import fixture as limit_fixture
from oslo_utils.fixture import uuidsentinel

from nova_xloud.adapters import nova_objects
from nova_xloud.api import quotas
from nova_xloud.core.size import Size
from nova_xloud.seams import quotas as seam
from tests.functional.quota_case import PLENTY, TENANT

STOCK = objects.Flavor(flavorid="stock", vcpus=4, memory_mb=1024, extra_specs={})
PINNED = objects.Flavor(
    flavorid="pinned",
    vcpus=4,
    memory_mb=1024,
    extra_specs={"hw:cpu_policy": "dedicated", "minimum_cpu": "1", "minimum_memory": "512"},
)


def _instance(flavor, **columns):
    return objects.Instance(
        uuid=uuidsentinel.server,
        project_id=TENANT,
        user_id="user",
        flavor=flavor,
        old_flavor=flavor,
        system_metadata={},
        image_ref="",
        **columns,
    )


@pytest.mark.parametrize(
    ("ours", "arguments"),
    [
        (seam.check_num_instances, (STOCK, 1, 2)),
        (seam.enforce, ("project", objects.RequestSpec(flavor=STOCK), 1, 2, None, None)),
        (seam.upsize_delta, (STOCK,)),
        (seam.check_upsize, (_instance(STOCK), STOCK, STOCK, False, False)),
        (seam.check_upsize, (_instance(STOCK), STOCK, STOCK, False, True)),
        (seam.check_unshelve, (_instance(STOCK), "request spec")),
        (seam.restore, ("context", _instance(STOCK))),
    ],
)
def test_stock_flavor_arguments_reach_nova_unchanged(ours, arguments):
    asked = mock.Mock(return_value="answer")
    ours(asked, STOCK, *arguments)
    ((found, _),) = asked.call_args_list
    assert len(found) == 1 + len(arguments)
    assert all(one is other for one, other in zip(found, (STOCK, *arguments), strict=True))


def test_what_a_flavor_counts_for_is_forgotten_when_the_request_is_over():
    instance = _instance(PINNED, vcpus=2, memory_mb=512)
    found = []

    def fails(*arguments):
        found.append(PINNED.xloud_counted)
        raise exception.OverQuota(overs="cores")

    with pytest.raises(exception.OverQuota):
        seam.restore(fails, "api", "context", instance)
    (counted,) = found
    assert counted.size == Size(2, 512)
    assert counted.classes == {"class:PCPU": 2, "class:MEMORY_MB": 512}
    assert not hasattr(PINNED, "xloud_counted")


def test_cpus_that_the_image_makes_dedicated_are_not_counted_twice():
    flavor = objects.Flavor(
        flavorid="elastic", vcpus=4, memory_mb=1024, extra_specs={"minimum_cpu": "1"}
    )
    image = objects.ImageMeta(properties=objects.ImageMetaProps(hw_cpu_policy="dedicated"))
    seam.count_as(flavor, Size(1, 1024), image)
    asked = mock.Mock()
    seam.enforce(asked, "context", "project", objects.RequestSpec(flavor=flavor), 1, 3)
    updates = asked.call_args.args[-1]
    assert updates == {"class:PCPU": 3, "class:MEMORY_MB": 3072, "class:VCPU": 0}


@pytest.fixture
def unified_limits():
    """Nova's configuration with unified limits; what Placement counts, and the enforcer's calls."""
    limits = {"servers": PLENTY, "class:VCPU": 5, "class:PCPU": 5, "class:MEMORY_MB": -1}
    usages = {"VCPU": 2, "PCPU": 2, "MEMORY_MB": 1024}
    conf = nova.conf.CONF
    conf.set_override("driver", "nova.quota.UnifiedLimitsDriver", "quota")
    conf.set_override("endpoint_id", "endpoint", "oslo_limit")
    usage = mock.patch(
        "nova.limit.placement._get_placement_usages", side_effect=lambda *a: dict(usages)
    )
    with limit_fixture.LimitFixture(limits, {}), usage:
        yield
    conf.clear_override("driver", "quota")
    conf.clear_override("endpoint_id", "oslo_limit")
    conf.clear_override("unified_limits_count_pcpu_as_vcpu", "workarounds")


@pytest.mark.parametrize(
    ("as_vcpu", "vcpus", "told"),
    [
        (False, 4, None),
        (False, 5, "class:PCPU: asked 4 more, used 2, allowed 5"),
        (True, 2, None),
        (True, 3, "class:VCPU: asked 2 more, used 4, allowed 5"),
    ],
)
def test_dedicated_cpus_are_asked_for_as_the_operator_counts_them(
    unified_limits, as_vcpu, vcpus, told
):
    nova.conf.CONF.set_override("unified_limits_count_pcpu_as_vcpu", as_vcpu, "workarounds")
    facts = nova_objects.facts_of(PINNED, None)
    # The memory is unlimited, and not in the numbers.
    has, wanted = Size(1, 512), Size(vcpus, 1024)
    growth = quotas.Growth(TENANT, "user", facts, admitted=has, held=has, wanted=wanted)
    refusal = quotas.refusal(nova_context.get_admin_context(), growth)
    assert told is None if refusal is None else told in refusal.message
    assert refusal is None or "MEMORY_MB" not in refusal.message
