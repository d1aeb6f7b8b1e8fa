# SPDX-License-Identifier: Apache-2.0
"""The gauges of each instance, made of what was read last: who has left the host has none."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from nova_xloud.compute.meter import Seen
from nova_xloud.core.instance import conditions
from nova_xloud.core.instance.lifecycle import GAVE_UP
from nova_xloud.core.instance.reading import Reading
from nova_xloud.core.size import Observed, Size

MIB = 1024 * 1024
# All are listed, true or not, so that an alert sees the end of one.
TYPES = (
    conditions.CONVERGED,
    conditions.GUEST_REFUSED,
    conditions.BALLOON_NOT_EFFECTIVE,
    conditions.GUEST_SILENT,
    conditions.REMOVAL_UNSETTLED,
    conditions.CPUS_NOT_ONLINE,
    conditions.BOOTING,
    GAVE_UP,
    conditions.RESERVED_TOO_LITTLE,
)


@dataclass(frozen=True, slots=True)
class _Known:
    """One instance; what a pass tells of it is not known before there was one."""

    reading: Reading
    maximum: Size | None = None
    project_id: str = ""


class Instances(Collector):
    """Is asked at each scrape, and asks nobody."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def read(self, uuid: str, reading: Reading) -> None:
        """A run has read one."""
        with self._lock:
            known = self._known.get(uuid)
            self._known[uuid] = replace(known, reading=reading) if known else _Known(reading)

    def passed(self, seen: Mapping[str, Seen]) -> None:
        """These are all there are."""
        with self._lock:
            self._known = {
                uuid: _Known(reading, one.maximum, one.project_id)
                for uuid, one in seen.items()
                if (reading := _merged(one.reading, self._known.get(uuid)))
            }

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return _families().values()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._lock:
            known = dict(self._known)
        families = _families()
        for uuid, one in known.items():
            _add(families, uuid, one)
        return families.values()


def _merged(reading: Reading | None, known: _Known | None) -> Reading | None:
    """What was not seen this time is as it was; None: it never was."""
    if known is None:
        return reading
    if reading is None:
        return known.reading
    before = known.reading
    if reading.actuated is None:
        return replace(reading, actuated=before.actuated, observed=before.observed)
    if reading.observed.vcpus is None and reading.actuated == before.actuated:
        # A pass asks no agent. What a run was told by one is true of the vCPUs of then.
        seen = replace(reading.observed, vcpus=before.observed.vcpus)
        return replace(reading, observed=seen)
    return reading


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


def _add(families: Mapping[str, GaugeMetricFamily], uuid: str, one: _Known) -> None:
    for kind, size in _sizes(one):
        if size.vcpus is not None:
            families["vcpus"].add_metric((uuid, kind), size.vcpus)
        if size.memory_mb is not None:
            families["memory"].add_metric((uuid, kind), size.memory_mb * MIB)
    for name in TYPES:
        families["condition"].add_metric((uuid, name), name in one.reading.conditions)
    if one.project_id:
        families["info"].add_metric((uuid, one.project_id), 1)


def _sizes(one: _Known) -> Iterator[tuple[str, Size | Observed]]:
    """The sizes that are known; of what was observed, a resource may not be."""
    sizes = {
        name: getattr(one.reading, name) for name in ("desired", "reserved", "actuated", "observed")
    }
    for kind, size in {**sizes, "maximum": one.maximum}.items():
        if size is not None:
            yield kind, size
