# SPDX-License-Identifier: Apache-2.0
"""What the scheduler asks Placement for: shared, dedicated and mixed CPUs, never below 0."""

import pytest
from nova import objects
from nova.scheduler import utils


def _resources(vcpus=4, memory_mb=1024, image=None, **extra_specs):
    specs = {name.replace("__", ":"): str(value) for name, value in extra_specs.items()}
    flavor = objects.Flavor(
        flavorid="f",
        vcpus=vcpus,
        memory_mb=memory_mb,
        root_gb=0,
        ephemeral_gb=0,
        swap=0,
        extra_specs=specs,
    )
    properties = objects.ImageMetaProps(**(image or {}))
    spec = objects.RequestSpec(
        flavor=flavor, image=objects.ImageMeta(properties=properties), requested_resources=[]
    )
    return utils.ResourceRequest.from_request_spec(spec).merged_resources()


DEDICATED = {"hw__cpu_policy": "dedicated"}
MIXED = {"hw__cpu_policy": "mixed", "hw__cpu_dedicated_mask": "0-1"}
LAST = {"hw__cpu_policy": "mixed", "hw__cpu_dedicated_mask": "2-3"}
REALTIME = {"hw__cpu_realtime": "yes", "hw__cpu_realtime_mask": "^0"}
ISOLATED = {"hw__emulator_threads_policy": "isolate"}


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ({}, {"VCPU": 4, "MEMORY_MB": 1024}),
        ({"minimum_cpu": 1}, {"VCPU": 1, "MEMORY_MB": 1024}),
        ({"minimum_memory": 512}, {"VCPU": 4, "MEMORY_MB": 512}),
        ({"xloud__minimum_cpu": 2, "minimum_memory": 256}, {"VCPU": 2, "MEMORY_MB": 256}),
        (DEDICATED, {"PCPU": 4, "MEMORY_MB": 1024}),
        ({**DEDICATED, "minimum_cpu": 2}, {"PCPU": 2, "MEMORY_MB": 1024}),
        ({**DEDICATED, **ISOLATED}, {"PCPU": 5, "MEMORY_MB": 1024}),
        ({**DEDICATED, **ISOLATED, "minimum_cpu": 2}, {"PCPU": 3, "MEMORY_MB": 1024}),
        (MIXED, {"VCPU": 2, "PCPU": 2, "MEMORY_MB": 1024}),
        ({**MIXED, "minimum_cpu": 3}, {"VCPU": 1, "PCPU": 2, "MEMORY_MB": 1024}),
        # A minimum below the dedicated ones is raised to them: half a claim there is not.
        ({**MIXED, "minimum_cpu": 2}, {"PCPU": 2, "MEMORY_MB": 1024}),
        ({**MIXED, "minimum_cpu": 1}, {"PCPU": 2, "MEMORY_MB": 1024}),
        ({**MIXED, **ISOLATED, "minimum_cpu": 1}, {"PCPU": 3, "MEMORY_MB": 1024}),
        # And it is raised to those very ones: a smaller guest would run on shared CPUs only.
        ({**LAST, "minimum_cpu": 1}, {"VCPU": 2, "PCPU": 2, "MEMORY_MB": 1024}),
        ({**LAST, "minimum_cpu": 3}, {"VCPU": 2, "PCPU": 2, "MEMORY_MB": 1024}),
        ({**DEDICATED, **REALTIME, "minimum_cpu": 1}, {"PCPU": 1, "MEMORY_MB": 1024}),
        ({**DEDICATED, **REALTIME, "minimum_memory": 512}, {"PCPU": 4, "MEMORY_MB": 1024}),
        # Whole cores.
        ({"hw__cpu_threads": 2, "minimum_cpu": 1}, {"VCPU": 2, "MEMORY_MB": 1024}),
        ({**DEDICATED, "hw__cpu_threads": 2, "minimum_cpu": 3}, {"PCPU": 4, "MEMORY_MB": 1024}),
        # Impossible minimums, as a flavor of before may have them: as if there were none.
        ({"minimum_cpu": 9, "minimum_memory": 4096}, {"VCPU": 4, "MEMORY_MB": 1024}),
        ({"minimum_cpu": 0, "minimum_memory": -5}, {"VCPU": 4, "MEMORY_MB": 1024}),
        ({"minimum_cpu": "few"}, {"VCPU": 4, "MEMORY_MB": 1024}),
        ({"minimum_cpu": 1, "xloud__minimum_cpu": 2}, {"VCPU": 4, "MEMORY_MB": 1024}),
        ({**DEDICATED, "minimum_cpu": 9}, {"PCPU": 4, "MEMORY_MB": 1024}),
        # What an operator wrote out by resource class stays.
        ({"resources__VCPU": 3, "minimum_cpu": 1}, {"VCPU": 3, "MEMORY_MB": 1024}),
        ({"resources__MEMORY_MB": 300, "minimum_memory": 100}, {"VCPU": 4, "MEMORY_MB": 300}),
        # Memory that cannot be ballooned.
        ({"hw__mem_page_size": "large", "minimum_memory": 512}, {"VCPU": 4, "MEMORY_MB": 1024}),
    ],
    ids=str,
)
def test_the_claim_at_boot(specs, expected):
    assert _resources(**specs) == expected


def test_the_image_counts_too():
    image = {"hw_cpu_policy": "dedicated"}
    assert _resources(minimum_cpu=2, image=image) == {"PCPU": 2, "MEMORY_MB": 1024}


def test_the_request_spec_itself_has_the_boot_size():
    minimums = {"minimum_cpu": "1", "minimum_memory": "512"}
    flavor = objects.Flavor(flavorid="f", vcpus=4, memory_mb=1024, extra_specs=minimums)
    spec = objects.RequestSpec(flavor=flavor)
    assert (spec.vcpus, spec.memory_mb) == (1, 512)


def test_one_warning_for_a_flavor_with_an_impossible_minimum(caplog):
    flavor = objects.Flavor(
        flavorid="warned-once", vcpus=4, memory_mb=1024, extra_specs={"minimum_cpu": "9"}
    )
    spec = objects.RequestSpec(flavor=flavor)
    assert [spec.vcpus, spec.vcpus, spec.memory_mb] == [4, 4, 1024]
    (record,) = [r for r in caplog.records if "warned-once" in r.message]
    assert "minimum_cpu=9" in record.message


def test_over_the_wire_it_stays_ours():
    flavor = objects.Flavor(flavorid="f", vcpus=4, memory_mb=1024, extra_specs={"minimum_cpu": "1"})
    sent = objects.RequestSpec(flavor=flavor).obj_to_primitive()
    assert objects.RequestSpec.obj_from_primitive(sent).vcpus == 1
