# SPDX-License-Identifier: Apache-2.0
"""Judges the stored flavors of a cloud: can servers be created and adjusted with each of them?"""

from __future__ import annotations

from collections.abc import Sequence

from nova_xloud.core.checks.upgrade_check import Issue, Level, StoredFlavor, Verdict
from nova_xloud.core.sizing.minimums import (
    ALL_SPECS,
    VIRTIO_MEM_SPEC,
    read_minimums,
    virtio_mem_problem,
)

# MiB. A console that shows GB with two decimals returns the multiples of this unchanged, and of
# other sizes about one in ten: 0.25, 0.5 and 0.75 have two decimals, and 0.125 has three.
EVEN_MB = 256


def judge_flavors(flavors: Sequence[StoredFlavor]) -> Verdict:
    """Judge whether the extra specs of flavors that name a minimum are usable.

    A minimum that is not usable is a failure, and so is one that is below the memory floor. A
    minimum or maximum of memory that a console would round is a warning, and so is an extra spec
    that asks for virtio-mem devices.
    """
    elastic = [flavor for flavor in flavors if flavor.names_one_of(ALL_SPECS)]
    issues = [*_unusable(elastic), *_rounded(elastic), *_with_virtio_mem(elastic)]
    return Verdict(f"{len(elastic)} of {len(flavors)} flavors name a minimum", tuple(issues))


def _unusable(flavors: Sequence[StoredFlavor]) -> list[Issue]:
    issues = []
    for flavor in flavors:
        floor = flavor.memory_floor_mb
        problems = read_minimums(flavor.extra_specs, flavor.maximum, floor).problems
        if problems:
            what = f"flavor {flavor.name}: {'; '.join(problems)}"
            remedy = "correct or unset the extra spec; until then no server can be created with "
            remedy += "the flavor"
            issues.append(Issue(Level.FAILURE, what, remedy))
    return issues


def _rounded(flavors: Sequence[StoredFlavor]) -> list[Issue]:
    told = []
    for flavor in flavors:
        minimum = read_minimums(flavor.extra_specs, flavor.maximum).memory_mb
        sizes = {"minimum": minimum, "maximum": flavor.maximum.memory_mb}
        odd = [f"{name} {size} MiB" for name, size in sizes.items() if size and size % EVEN_MB]
        if odd:
            told.append(f"{flavor.name} ({', '.join(odd)})")
    if not told:
        return []
    what = f"The memory of the flavors {', '.join(told)} is no multiple of {EVEN_MB} MiB. "
    what += "A console that shows GB with two decimals, as XLoud's does, sends another size back "
    what += "than it was given, so it cannot ask for such a minimum or maximum, and may be refused "
    what += "when only the vCPUs were changed"
    remedy = f"use multiples of {EVEN_MB} MiB, for the maximum in a new flavor; or adjust servers "
    remedy += "of these flavors by other means, such as openstack server adjust"
    return [Issue(Level.WARNING, what, remedy)]


def _with_virtio_mem(flavors: Sequence[StoredFlavor]) -> list[Issue]:
    names = [f.name for f in flavors if virtio_mem_problem(f.extra_specs) is not None]
    if not names:
        return []
    what = f"The flavors {', '.join(names)} have {VIRTIO_MEM_SPEC}, which neither Nova nor "
    what += "nova-xloud reads: memory of their servers is adjusted by the balloon, and they get no "
    what += "virtio-mem device"
    remedy = f"unset {VIRTIO_MEM_SPEC}; the servers stay as they are"
    return [Issue(Level.WARNING, what, remedy)]
