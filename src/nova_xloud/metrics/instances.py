# SPDX-License-Identifier: Apache-2.0
"""The gauges of the elastic instances of this host, made from the last sample of each.

An instance has gauges if its guest runs, or if its vm_state is one in which it is driven to its
size. So an instance that is suspended, shelved, or in error without a guest has none, although it
stays claimed. The gauges of an instance that comes into such a state, or that has left the host,
disappear with the next pass.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from nova_xloud.compute.meter import PassEntry
from nova_xloud.core.autoscaling.deferral import GROWTH_DEFERRED
from nova_xloud.core.instance import conditions
from nova_xloud.core.instance.sample import Sample
from nova_xloud.core.size import Observed, Size
from nova_xloud.printable import one_line

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Exported:
    """What is exported of one instance.

    :ivar maximum: the size of the flavor; None before the first pass over the instance
    :ivar project_id: the project that the instance belongs to, in one line that can be encoded, so
        that no name of a project spoils a scrape; empty if it is not known
    """

    sample: Sample
    maximum: Size | None = None
    project_id: str = ""


class Instances(Collector):
    """Has the last sample of each instance in memory, and returns the gauges at each scrape.

    A scrape asks neither Placement nor libvirt nor Nova's database.
    """

    def __init__(self) -> None:
        self._exported: dict[str, _Exported] = {}
        self._recommended: Mapping[str, Size] = {}
        self._deferred: frozenset[str] = frozenset()
        self._lock = threading.Lock()

    def sampled(self, uuid: str, sample: Sample, project_id: str = "") -> None:
        """Export ``sample``, which a run has taken of one instance, until there is a later one.

        :param project_id: the project that the instance belongs to; empty if it is not known
        """
        with self._lock:
            before = self._exported.get(uuid, _Exported(sample))
            project_id = one_line(project_id) or before.project_id
            self._exported[uuid] = replace(before, sample=sample, project_id=project_id)

    def pass_finished(self, entries: Mapping[str, PassEntry]) -> None:
        """Export the entries of a pass, and drop all instances that are not in ``entries``.

        Some of what the pass did not read of an instance stays as it was exported before: see
        :func:`_merged`.
        """
        with self._lock:
            self._exported = {
                uuid: _Exported(sample, one.maximum, one_line(one.project_id))
                for uuid, one in entries.items()
                if (sample := _merged(one.sample, self._exported.get(uuid)))
            }

    def scaled(self, recommended: Mapping[str, Size], deferred: frozenset[str]) -> None:
        """Export what a round of automatic growth has found, in place of what the one before found.

        An instance of which there is no sample has no recommended size at a scrape either.

        :param recommended: by UUID, the recommended size of each instance that has one
        :param deferred: the UUIDs of the instances of which ``GrowthDeferred`` is true
        """
        with self._lock:
            self._recommended, self._deferred = dict(recommended), deferred

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the metric families without values, for the registry of prometheus_client."""
        return _families().values()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the metric families with the values of all instances, for one scrape."""
        with self._lock:
            exported, recommended = dict(self._exported), self._recommended
            deferred = self._deferred
        families = _families()
        for uuid, one in exported.items():
            also = frozenset({GROWTH_DEFERRED}) if uuid in deferred else frozenset()
            _add(families, uuid, one, also)
        for uuid, size in recommended.items():
            if uuid in exported:
                _add_size(families, (uuid, exported[uuid].project_id), "recommended", size)
        return families.values()


def _merged(sample: Sample | None, exported: _Exported | None) -> Sample | None:
    """Return the sample of a pass, completed with what was exported before.

    If the pass did not read ``actuated``, the exported ``actuated`` and ``observed`` are used. If
    the pass has read ``actuated`` but not the observed vCPUs, the exported ones are used, provided
    that ``actuated`` has not changed; an observed memory that it did not read stays None.

    :param sample: None if the pass took none, because a run was queued or under way
    :param exported: None for an instance that has not been exported yet
    :returns: None if both parameters are None
    """
    if exported is None:
        return sample
    if sample is None:
        return exported.sample
    before = exported.sample
    if sample.actuated is None:
        return replace(sample, actuated=before.actuated, observed=before.observed)
    if sample.observed.vcpus is None and sample.actuated == before.actuated:
        # A pass does not ask the guest's agent. The number of online CPUs that a run has read from
        # an agent is still right while the number of vCPUs is the same.
        seen = replace(sample.observed, vcpus=before.observed.vcpus)
        return replace(sample, observed=seen)
    return sample


def _families() -> dict[str, GaugeMetricFamily]:
    return {
        "vcpus": GaugeMetricFamily(
            "nova_xloud_instance_vcpus",
            "vCPUs of an instance: desired, reserved, actuated, observed, the flavor's maximum, "
            "and recommended if it is scaled automatically.",
            labels=("instance_uuid", "project_id", "kind"),
        ),
        "memory": GaugeMetricFamily(
            "nova_xloud_instance_memory_bytes",
            "Memory of an instance in bytes: desired, reserved, actuated, observed, the flavor's "
            "maximum, and recommended if it is scaled automatically.",
            labels=("instance_uuid", "project_id", "kind"),
        ),
        "condition": GaugeMetricFamily(
            "nova_xloud_instance_condition",
            "Whether a condition of an instance is true (1) or false (0).",
            labels=("instance_uuid", "project_id", "type"),
        ),
        "info": GaugeMetricFamily(
            "nova_xloud_instance_info",
            "Always 1; the label project_id names the project that owns the instance.",
            labels=("instance_uuid", "project_id"),
        ),
    }


def _add(
    families: Mapping[str, GaugeMetricFamily], uuid: str, one: _Exported, also: frozenset[str]
) -> None:
    found = one.sample.conditions | also
    of_instance = (uuid, one.project_id)
    for kind, size in _sizes(one):
        _add_size(families, of_instance, kind, size)
    # Conditions that are false are exported too, so that an alert sees when one ends.
    for name in conditions.TYPES:
        families["condition"].add_metric((*of_instance, name), name in found)
    if one.project_id:
        families["info"].add_metric(of_instance, 1)


def _add_size(
    families: Mapping[str, GaugeMetricFamily],
    of_instance: tuple[str, str],
    kind: str,
    size: Size | Observed,
) -> None:
    """Add a size to the families of vCPUs and memory; a resource that is None is left out.

    :param of_instance: the UUID of the instance and the ID of its project
    """
    if size.vcpus is not None:
        families["vcpus"].add_metric((*of_instance, kind), size.vcpus)
    if size.memory_mb is not None:
        families["memory"].add_metric((*of_instance, kind), size.memory_mb * MIB)


def _sizes(one: _Exported) -> Iterator[tuple[str, Size | Observed]]:
    """Yield ``(kind, size)`` for each size that is not None; a resource of it may be None."""
    sizes = {
        name: getattr(one.sample, name) for name in ("desired", "reserved", "actuated", "observed")
    }
    for kind, size in {**sizes, "maximum": one.maximum}.items():
        if size is not None:
            yield kind, size
