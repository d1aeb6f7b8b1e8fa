# SPDX-License-Identifier: Apache-2.0
"""The gauges of each instance, made of what was read last: who has left the host has none."""

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
    """One instance; what a pass tells of it is not known before there was one."""

    sample: Sample
    maximum: Size | None = None
    project_id: str = ""


class Instances(Collector):
    """Is asked at each scrape, and asks nobody."""

    def __init__(self) -> None:
        self._exported: dict[str, _Exported] = {}
        self._lock = threading.Lock()

    def sampled(self, uuid: str, sample: Sample) -> None:
        """A run has sampled one instance."""
        with self._lock:
            exported = self._exported.get(uuid)
            self._exported[uuid] = (
                replace(exported, sample=sample) if exported else _Exported(sample)
            )

    def pass_finished(self, entries: Mapping[str, PassEntry]) -> None:
        """A pass has ended; these are all instances of the host."""
        with self._lock:
            self._exported = {
                uuid: _Exported(sample, one.maximum, one.project_id)
                for uuid, one in entries.items()
                if (sample := _merged(one.sample, self._exported.get(uuid)))
            }

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return _families().values()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._lock:
            exported = dict(self._exported)
        families = _families()
        for uuid, one in exported.items():
            _add(families, uuid, one)
        return families.values()


def _merged(sample: Sample | None, exported: _Exported | None) -> Sample | None:
    """What was not seen this time is as it was; None: it never was."""
    if exported is None:
        return sample
    if sample is None:
        return exported.sample
    before = exported.sample
    if sample.actuated is None:
        return replace(sample, actuated=before.actuated, observed=before.observed)
    if sample.observed.vcpus is None and sample.actuated == before.actuated:
        # A pass asks no agent. What a run was told by one is true of the vCPUs of then.
        seen = replace(sample.observed, vcpus=before.observed.vcpus)
        return replace(sample, observed=seen)
    return sample


def _families() -> dict[str, GaugeMetricFamily]:
    return {
        "vcpus": GaugeMetricFamily(
            "nova_xloud_instance_vcpus",
            "vCPUs of an instance: the four numbers, and its flavor's maximum.",
            labels=("instance_uuid", "kind"),
        ),
        "memory": GaugeMetricFamily(
            "nova_xloud_instance_memory_bytes",
            "Memory of an instance, likewise.",
            labels=("instance_uuid", "kind"),
        ),
        "condition": GaugeMetricFamily(
            "nova_xloud_instance_condition",
            "Whether a condition of an instance is true (1) or not (0).",
            labels=("instance_uuid", "type"),
        ),
        "info": GaugeMetricFamily(
            "nova_xloud_instance_info",
            "Always 1: whose an instance is.",
            labels=("instance_uuid", "project_id"),
        ),
    }


def _add(families: Mapping[str, GaugeMetricFamily], uuid: str, one: _Exported) -> None:
    for kind, size in _sizes(one):
        if size.vcpus is not None:
            families["vcpus"].add_metric((uuid, kind), size.vcpus)
        if size.memory_mb is not None:
            families["memory"].add_metric((uuid, kind), size.memory_mb * MIB)
    # All are listed, true or not, so that an alert sees the end of one.
    for name in conditions.TYPES:
        families["condition"].add_metric((uuid, name), name in one.sample.conditions)
    if one.project_id:
        families["info"].add_metric((uuid, one.project_id), 1)


def _sizes(one: _Exported) -> Iterator[tuple[str, Size | Observed]]:
    """The sizes that are known; of what was observed, a resource may not be."""
    sizes = {
        name: getattr(one.sample, name) for name in ("desired", "reserved", "actuated", "observed")
    }
    for kind, size in {**sizes, "maximum": one.maximum}.items():
        if size is not None:
            yield kind, size
