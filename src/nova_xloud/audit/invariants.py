# SPDX-License-Identifier: Apache-2.0
"""Look at a whole cloud, and again at what seems to break a rule.

Things go on meanwhile: an adjustment between two readings looks like a broken rule. So whatever is
found is looked at again until it is gone once, or its time is over.

A cloud may be large: of its instances, read page by page, only what the rules need of elastic ones
is kept; hosts are read some at a time, each once, and one that hangs keeps no other waiting.
"""

from __future__ import annotations

import copy
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nova_xloud.audit.aside import side_by_side
from nova_xloud.audit.cloud import PAGE, Cloud, Host, Moves
from nova_xloud.audit.guests import Witness
from nova_xloud.audit.report import Report, Unread
from nova_xloud.audit.views import Once, Views
from nova_xloud.core.checks.finding import Finding
from nova_xloud.core.checks.invariants import ElasticInstance, Guest, Node, Snapshot, findings

# Seconds between two checks of what was found.
RECHECK_INTERVAL = 1.0

# Each call of frozenset() makes another one, of 216 bytes.
_NONE: frozenset[str] = frozenset()

Key = tuple[str | None, ...]
# Told how many hosts are read, of how many, and how many instances.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to look.

    :ivar settle: seconds for which what was found is looked at again before it is believed; it is
        looked at again once at the least
    :ivar boot_grace: seconds after its start during which a guest may hold more memory
    :ivar parallel: how many hosts are read at the same time
    :ivar progress: told how far the first reading is
    """

    settle: float = 5.0
    boot_grace: float = 120.0
    parallel: int = 8
    progress: Progress = lambda hosts, of, instances: None


@dataclass(frozen=True, slots=True)
class _HostRead:
    """What one host, and Placement, told of it.

    :ivar guests: by UUID, of the instances that were asked for
    :ivar silent: why it has told nothing of its guests
    """

    node: Node
    guests: Mapping[str, Guest]
    silent: Unread | None = None


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
        self._views = Views(hosts)
        self._once = Once()
        self._witnesses = witnesses
        self._options = options
        self._instances: set[str] = set()
        self._silent: dict[str, Unread] = {}

    def run(self) -> Report:
        """Look, and look again.

        :raises Unread: Placement, or the API database, does not answer
        """
        elastic = self._elastic()
        suspects = self._examine(elastic, list(self._hosts.values()), self._options.progress)
        return Report(
            found=(*self._settled(suspects), *self._hosts_not_asked(elastic)),
            unread=(*self._cloud.cells.unread, *self._silent.values()),
            instances=len(self._instances),
            elastic=len(elastic),
            hosts=len(self._hosts),
        )

    def _elastic(self) -> list[ElasticInstance]:
        elastic = []
        for instance in self._cloud.instances():
            # The same string is in Placement's answer, and is kept once.
            self._instances.add(sys.intern(instance.uuid))
            if (view := self._views.of(instance)) is not None:
                elastic.append(view)
            if len(self._instances) % PAGE == 0:
                self._options.progress(0, len(self._hosts), len(self._instances))
        return elastic

    def _settled(self, suspects: dict[Key, Finding]) -> Iterable[Finding]:
        """What of ``suspects`` is still found, each time it is looked at again."""
        deadline = time.monotonic() + self._options.settle
        while suspects:
            time.sleep(max(0.0, min(RECHECK_INTERVAL, deadline - time.monotonic())))
            again = self._examine_again(suspects.values())
            suspects = {key: again[key] for key in suspects if key in again}
            if time.monotonic() >= deadline:
                break
        return suspects.values()

    def _examine_again(self, suspects: Iterable[Finding]) -> dict[Key, Finding]:
        """Look at the instances and the nodes that ``suspects`` are about, and no others."""
        uuids = {finding.instance for finding in suspects if finding.instance}
        found = (self._views.of(instance) for instance in self._cloud.instances(uuids))
        views = [view for view in found if view is not None]
        hosts = {self._hosts.get(view.provider or "") for view in views}
        hosts |= {self._hosts.get(finding.provider or "") for finding in suspects}
        return self._examine(views, [host for host in hosts if host is not None])

    def _examine(
        self,
        views: Sequence[ElasticInstance],
        hosts: Sequence[Host],
        progress: Progress | None = None,
    ) -> dict[Key, Finding]:
        """:param progress: given at the first look, which does without what costs a query each"""
        moves = self._cloud.moves(hosts)
        read = self._read(hosts, views, progress or (lambda hosts, of, instances: None))
        guests = {uuid: guest for one in read.values() for uuid, guest in one.guests.items()}
        if progress is None:
            guests |= self._with_their_starts(views, guests)
        seen = tuple(_with(view, moves, guests.get(view.uuid)) for view in views)
        nodes = {provider: one.node for provider, one in read.items()}
        found = findings(Snapshot(seen, nodes, self._consumers(nodes.values(), moves)))
        return {finding.key: finding for finding in found}

    def _read(
        self,
        hosts: Sequence[Host],
        views: Iterable[ElasticInstance],
        progress: Progress,
    ) -> dict[str, _HostRead]:
        """Each of ``hosts``, by its provider.

        :raises Unread: Placement does not answer
        """
        uuids: dict[str | None, list[str]] = {}
        for view in views:
            uuids.setdefault(view.provider, []).append(view.uuid)
        read: dict[str, _HostRead] = {}

        def ask(host: Host) -> _HostRead:
            return self._read_host(host, uuids.get(host.provider, []))

        for host, one in side_by_side(ask, hosts, self._options.parallel):
            guests = {uuid: self._once.of(guest) for uuid, guest in one.guests.items()}
            read[host.provider] = replace(one, guests=guests)
            if one.silent is not None:
                self._silent[host.name] = one.silent
            progress(len(read), len(hosts), len(self._instances))
        return read

    def _read_host(self, host: Host, uuids: Sequence[str]) -> _HostRead:
        node, witness = self._cloud.node(host), self._witnesses.get(host.name)
        # One that did not answer is noted already, and would be waited for as long again.
        if witness is None or not uuids or host.name in self._silent:
            return _HostRead(node, {})
        try:
            told = witness.guests(
                uuids, copy.copy(host.context), lambda: self._cloud.instances_on(host, uuids)
            )
        except Unread as error:
            return _HostRead(node, {}, error)
        return _HostRead(node, {uuid: told.get(uuid, Guest(held=None)) for uuid in uuids})

    def _consumers(self, nodes: Iterable[Node], moves: Moves) -> frozenset[str] | None:
        moving = frozenset().union(*moves.running.values())
        there = {consumer for node in nodes for consumer in node.allocations}
        unknown = there - self._instances - moving
        found = self._cloud.consumers_among(unknown)
        # In a cell that could not be read there may be what is known nowhere else.
        return frozenset(there - (unknown - found)) if self._cloud.cells.complete else None

    def _with_their_starts(
        self, views: Iterable[ElasticInstance], guests: Mapping[str, Guest]
    ) -> dict[str, Guest]:
        """The guests that may have started lately, with whether they have."""
        told = {}
        for view in views:
            guest, host = guests.get(view.uuid), self._hosts.get(view.provider or "")
            if guest is None or guest.booting or not guest.held or host is None:
                continue
            since = self._cloud.seconds_since_start(host.context, view.uuid)
            booting = since is not None and since < self._options.boot_grace
            told[view.uuid] = replace(guest, booting=booting)
        return told

    def _hosts_not_asked(self, views: Iterable[ElasticInstance]) -> Iterator[Finding]:
        on = Counter(view.host for view in views)
        for name, witness in self._witnesses.items():
            if witness is None and on[name]:
                what = f"nova-compute there is down; the guests of {on[name]} instances on it "
                what += "were not looked at"
                yield Finding("guest_unknown", None, name, what, note=True)


def _with(view: ElasticInstance, moves: Moves, guest: Guest | None) -> ElasticInstance:
    return replace(
        view,
        migrations=moves.running.get(view.uuid, _NONE),
        left_behind_on=moves.left_behind.get(view.uuid, _NONE),
        guest=guest,
    )
