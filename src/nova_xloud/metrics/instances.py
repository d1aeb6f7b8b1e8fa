# SPDX-License-Identifier: Apache-2.0
"""The gauges of each instance of this host, made from the last sample of the instance.

An instance that has left the host has no gauges after the next pass.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from nova_xloud.compute.meter import PassEntry
from nova_xloud.core.instance import conditions
from nova_xloud.core.instance.sample import Sample
from nova_xloud.core.size import Observed, Size

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Exported:
    """What is exported of one instance.

    :ivar maximum: None before the first pass over the instance
    :ivar project_id: empty before the first pass over the instance
    """

    sample: Sample
    maximum: Size | None = None
    project_id: str = ""


class Instances(Collector):
    """Returns the gauges at each scrape from memory, without asking Placement, libvirt or Nova."""

    def __init__(self) -> None:
        self._exported: dict[str, _Exported] = {}
        self._lock = threading.Lock()

    def sampled(self, uuid: str, sample: Sample) -> None:
        """Keep the sample that a run has taken of one instance."""
        with self._lock:
            exported = self._exported.get(uuid)
            self._exported[uuid] = (
                replace(exported, sample=sample) if exported else _Exported(sample)
            )

    def pass_finished(self, entries: Mapping[str, PassEntry]) -> None:
        """Keep the entries of a pass, and drop all instances that are not in ``entries``.

        What the pass did not read of an instance stays as it was exported, while it still holds.
        """
        with self._lock:
            self._exported = {
                uuid: _Exported(sample, one.maximum, one.project_id)
                for uuid, one in entries.items()
                if (sample := _merged(one.sample, self._exported.get(uuid)))
            }

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the families without values, as prometheus_client asks when it registers this."""
        return _families().values()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Return the families with the values of all instances, for one scrape."""
        with self._lock:
            exported = dict(self._exported)
        families = _families()
        for uuid, one in exported.items():
            _add(families, uuid, one)
        return families.values()


def _merged(sample: Sample | None, exported: _Exported | None) -> Sample | None:
    """Return the sample of a pass, completed with what was exported before.

    If the pass did not read ``actuated``, both ``actuated`` and ``observed`` are the exported ones.
    If only the observed vCPUs are missing, they are the exported ones while ``actuated`` is the
    same. An observed memory that is not known stays so.

    :param sample: None if the pass took none, because a run was queued or under way
    :param exported: None for an instance that has not been exported yet
    :returns: None if there is neither
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
            "vCPUs of an instance: desired, reserved, actuated, observed, and the flavor's "
            "maximum.",
            labels=("instance_uuid", "kind"),
        ),
        "memory": GaugeMetricFamily(
            "nova_xloud_instance_memory_bytes",
            "Memory of an instance in bytes: desired, reserved, actuated, observed, and the "
            "flavor's maximum.",
            labels=("instance_uuid", "kind"),
        ),
        "condition": GaugeMetricFamily(
            "nova_xloud_instance_condition",
            "Whether a condition of an instance is true (1) or false (0).",
            labels=("instance_uuid", "type"),
        ),
        "info": GaugeMetricFamily(
            "nova_xloud_instance_info",
            "Always 1; the label project_id names the project that owns the instance.",
            labels=("instance_uuid", "project_id"),
        ),
    }


def _add(families: Mapping[str, GaugeMetricFamily], uuid: str, one: _Exported) -> None:
    for kind, size in _sizes(one):
        if size.vcpus is not None:
            families["vcpus"].add_metric((uuid, kind), size.vcpus)
        if size.memory_mb is not None:
            families["memory"].add_metric((uuid, kind), size.memory_mb * MIB)
    # Conditions that are false are exported too, so that an alert sees when one ends.
    for name in conditions.TYPES:
        families["condition"].add_metric((uuid, name), name in one.sample.conditions)
    if one.project_id:
        families["info"].add_metric((uuid, one.project_id), 1)


def _sizes(one: _Exported) -> Iterator[tuple[str, Size | Observed]]:
    """Yield each known size with its label; in ``observed`` a resource may be None."""
    sizes = {
        name: getattr(one.sample, name) for name in ("desired", "reserved", "actuated", "observed")
    }
    for kind, size in {**sizes, "maximum": one.maximum}.items():
        if size is not None:
            yield kind, size
