# SPDX-License-Identifier: Apache-2.0
"""What core/sizing/topology.py foretells is what the installed Nova does."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nova import exception, objects
from nova.virt import hardware

from nova_xloud.core.sizing.topology import always_plugged, mask_ids, threads_per_core

objects.register_all()

PARTS = ("sockets", "cores", "threads", "max_sockets", "max_cores", "max_threads")
numbers = st.integers(1, 9)
named = st.dictionaries(st.sampled_from(PARTS), numbers, max_size=4)
bounds = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted)
part = st.builds(
    lambda caret, ends, single: f"{caret}{ends[0] if single else '-'.join(map(str, ends))}",
    st.sampled_from(["", "", "^"]),
    bounds,
    st.booleans(),
)
masks = st.lists(part, min_size=1, max_size=4).map(",".join)

# A busy machine is slow now and then; that says nothing of a pure function.
SETTINGS = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def flavor(vcpus: int, specs: dict[str, str]) -> objects.Flavor:
    return objects.Flavor(vcpus=vcpus, memory_mb=1024, extra_specs=specs)


def image(**properties: object) -> objects.ImageMeta:
    return objects.ImageMeta(properties=objects.ImageMetaProps(**properties))


@SETTINGS
@given(st.integers(1, 24), named, named)
def test_threads_per_core(vcpus: int, of_flavor: dict[str, int], of_image: dict[str, int]) -> None:
    specs = {f"hw:cpu_{name}": str(value) for name, value in of_flavor.items()}
    properties = {f"hw_cpu_{name}": value for name, value in of_image.items()}
    try:
        novas = hardware.get_best_cpu_topology(flavor(vcpus, specs), image(**properties))
    except exception.NovaException:
        return
    texts = {name: str(value) for name, value in properties.items()}
    assert threads_per_core(vcpus, specs, texts) == novas.threads


@SETTINGS
@given(st.integers(2, 12), masks)
def test_the_dedicated_mask(vcpus: int, mask: str) -> None:
    specs = {"hw:cpu_dedicated_mask": mask}
    try:
        ids = hardware.get_dedicated_cpu_constraint(flavor(vcpus, specs))
    except exception.NovaException:
        return
    assert mask_ids(mask, vcpus) == ids
    assert always_plugged(len(ids), vcpus, specs, {}) == max(ids) + 1


@pytest.mark.parametrize(
    ("of_flavor", "of_image"), [("^0", None), ("^0-1", None), ("0-1", None), ("^0", "1-2")]
)
def test_the_realtime_mask(of_flavor: str, of_image: str | None) -> None:
    specs = {"hw:cpu_realtime": "true", "hw:cpu_realtime_mask": of_flavor}
    properties = {} if of_image is None else {"hw_cpu_realtime_mask": of_image}
    ids = hardware.get_realtime_cpu_constraint(flavor(4, specs), image(**properties))
    assert always_plugged(len(ids), 4, specs, properties) == max(ids) + 1
