# SPDX-License-Identifier: Apache-2.0
"""Look at a whole cloud, and again at what seems to break a rule.

Things go on meanwhile: an adjustment between two readings looks like a broken rule. So whatever is
found is looked at again until it is gone once, or its time is over.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nova_xloud.audit.cloud import Cloud, Host, Moves
from nova_xloud.audit.guests import Witness
from nova_xloud.audit.report import Report, Unread
from nova_xloud.core.desired import Desired
from nova_xloud.core.envelope import FlavorFacts
from nova_xloud.core.finding import Finding
from nova_xloud.core.invariants import ElasticInstance, Guest, Node, Snapshot, findings
from nova_xloud.core.size import Size
from nova_xloud.core.values import UnreadableRecord
from nova_xloud.scheduling import holdings

# Seconds between two looks at what was found.
LOOK_INTERVAL = 1.0

Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """How to look.

    :ivar settle: seconds for which what was found is looked at again before it is believed; it is
        looked at again once at the least
    :ivar boot_grace: seconds after its start during which a guest may hold more memory
    :ivar progress: told how many of how many hosts are read
    """

    settle: float = 5.0
    boot_grace: float = 120.0
    progress: Callable[[int, int], None] = lambda done, of: None


class Check:
    """One check of one cloud.

    :param witnesses: by host name; None: there is nobody to ask; absent: nobody shall be asked
    """

    def __init__(
        self,
        cloud: Cloud,
        hosts: list[Host],
        witnesses: Mapping[str, Witness | None],
        options: Options,
    ) -> None:
        self._cloud = cloud
        self._hosts = {host.provider: host for host in hosts}
        self._by_node = {(host.name, host.node): host for host in hosts}
        self._witnesses = witnesses
        self._options = options
        self._instances: set[str] = set()
        self._silent: dict[str, Unread] = {}

    def run(self) -> Report:
        """Look, and look again.

        :raises Unread: Placement, or the API database, does not answer
        """
        elastic = []
        for instance in self._cloud.instances():
            self._instances.add(instance.uuid)
            if _is_elastic(instance):
                elastic.append(instance)
        suspects = self._look(elastic, list(self._hosts.values()), self._options.progress)
        return Report(
            found=(*self._settled(suspects), *self._nobody_to_ask(elastic)),
            unread=(*self._cloud.cells.unread, *self._silent.values()),
            instances=len(self._instances),
            elastic=len(elastic),
            hosts=len(self._hosts),
        )

    def _settled(self, suspects: dict[Key, Finding]) -> Iterable[Finding]:
        """What of ``suspects`` is still found, each time it is looked at again."""
        deadline = time.monotonic() + self._options.settle
        while suspects:
            time.sleep(max(0.0, min(LOOK_INTERVAL, deadline - time.monotonic())))
            again = self._look_again(suspects.values())
            suspects = {key: again[key] for key in suspects if key in again}
            if time.monotonic() >= deadline:
                break
        return suspects.values()

    def _look_again(self, suspects: Iterable[Finding]) -> dict[Key, Finding]:
        """Look at the instances and the nodes that ``suspects`` are about, and no others."""
        uuids = {finding.instance for finding in suspects if finding.instance}
        instances = [i for i in self._cloud.instances(uuids) if _is_elastic(i)]
        hosts = {self._host_of(instance) for instance in instances}
        hosts |= {self._hosts.get(finding.provider or "") for finding in suspects}
        return self._look(instances, [host for host in hosts if host is not None])

    def _look(
        self,
        instances: Sequence[Any],
        hosts: Sequence[Host],
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[Key, Finding]:
        """:param progress: given at the first look, which does without what costs a query each"""
        moves = self._cloud.moves(hosts)
        guests = self._guests(instances)
        views = []
        for instance in instances:
            guest = guests.get(instance.uuid)
            if progress is None and guest is not None:
                guest = self._with_its_start(instance, guest)
            views.append(self._view(instance, moves, guest))
        nodes = {}
        for done, host in enumerate(hosts, 1):
            nodes[host.provider] = self._cloud.node(host)
            if progress is not None:
                progress(done, len(hosts))
        consumers = self._consumers(nodes.values(), moves)
        found = findings(Snapshot(tuple(views), nodes, consumers))
        return {finding.key: finding for finding in found}

    def _consumers(self, nodes: Iterable[Node], moves: Moves) -> frozenset[str] | None:
        known = self._instances.union(*moves.running.values())
        unknown = {consumer for node in nodes for consumer in node.allocations} - known
        found = self._cloud.consumers_among(unknown)
        # In a cell that could not be read there may be what is known nowhere else.
        return frozenset(known | found) if self._cloud.cells.complete else None

    def _guests(self, instances: Iterable[Any]) -> dict[str, Guest]:
        """What each guest holds, of those whose host is asked."""
        by_host: dict[str, list[Any]] = {}
        for instance in instances:
            by_host.setdefault(instance.host or "", []).append(instance)
        guests: dict[str, Guest] = {}
        for name, there in by_host.items():
            witness, host = self._witnesses.get(name), self._host_of(there[0])
            if witness is None or host is None:
                continue
            try:
                told = witness.guests(host.context, there)
            except Unread as error:
                self._silent[name] = error
                continue
            guests |= {i.uuid: told.get(i.uuid, Guest(held=None)) for i in there}
        return guests

    def _with_its_start(self, instance: Any, guest: Guest) -> Guest:
        host = self._host_of(instance)
        if guest.booting or not guest.held or host is None:
            return guest
        since = self._cloud.seconds_since_start(host.context, instance.uuid)
        return replace(guest, booting=since is not None and since < self._options.boot_grace)

    def _view(self, instance: Any, moves: Moves, guest: Guest | None) -> ElasticInstance:
        facts = holdings.facts_of_instance(instance)
        host = self._host_of(instance)
        return ElasticInstance(
            uuid=instance.uuid,
            host=instance.host,
            provider=host.provider if host is not None else None,
            facts=facts,
            desired=_desired(instance, facts),
            recorded=Size(instance.vcpus, instance.memory_mb),
            busy=instance.task_state is not None,
            migrations=moves.running.get(instance.uuid, frozenset()),
            left_behind_on=moves.left_behind.get(instance.uuid, frozenset()),
            guest=guest,
        )

    def _host_of(self, instance: Any) -> Host | None:
        return self._by_node.get((instance.host, instance.node))

    def _nobody_to_ask(self, instances: Iterable[Any]) -> Iterator[Finding]:
        on = Counter(instance.host for instance in instances)
        for name, witness in self._witnesses.items():
            if witness is None and on[name]:
                what = f"nova-compute there is down; the guests of {on[name]} instances on it "
                what += "were not looked at"
                yield Finding("guest_unknown", None, name, what, note=True)


def _is_elastic(instance: Any) -> bool:
    return holdings.names_minimum(instance.flavor) or holdings.has_record(instance)


def _desired(instance: Any, facts: FlavorFacts) -> Desired | None:
    try:
        return holdings.read_desired(instance, facts)
    except UnreadableRecord:
        return None
