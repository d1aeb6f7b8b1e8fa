# SPDX-License-Identifier: Apache-2.0
"""Checks the invariants of a whole cloud, and rechecks every rule that seems to be broken.

The cloud keeps working during the check, and an adjustment between two readings looks like a broken
rule. So each finding is checked again until it is gone once, or until ``settle`` seconds are over.
Only findings that are still there are reported. That a host is down and was not asked is reported
without a recheck.

A cloud may be large. So the instances are read page by page, and only their UUIDs and small copies
of the elastic ones (:mod:`nova_xloud.audit.views`) stay in memory. Up to ``parallel`` hosts are
read at the same time. Rechecks read only what the findings are about. A host that did not report
its guests once is not asked for them again, because each attempt may last until the timeout.
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
from nova_xloud.core.instance.state import NOTHING

# Seconds between two checks of the same findings.
RECHECK_INTERVAL = 1.0

# Each call of frozenset() makes another one, of 216 bytes.
_NONE: frozenset[str] = frozenset()

Key = tuple[str | None, ...]
# Called with the number of hosts that are read, of all hosts, and of instances that are read.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a check.

    :ivar settle: seconds for which a finding is rechecked before it is reported; each broken rule
        is rechecked at least once
    :ivar boot_grace: seconds after the start of a guest during which the guest may hold more memory
        than is claimed: that is only a note then, unless the memory is pinned
    :ivar parallel: how many hosts are read at the same time, at most
    :ivar progress: called while the cloud is read for the first time, with three numbers: the hosts
        that were read, all hosts, and the instances that were read
    """

    settle: float = 5.0
    boot_grace: float = 120.0
    parallel: int = 8
    progress: Progress = lambda hosts, of, instances: None


@dataclass(frozen=True, slots=True)
class _HostRead:
    """What was read of one host: its data in Placement, and its guests.

    :ivar node: the host's inventories and allocations in Placement
    :ivar guests: what the guests hold, by the UUID of the instance; empty if the host did not
        report its guests, or was not asked
    :ivar silent: why the host did not report its guests; None if it did, or was not asked
    """

    node: Node
    guests: Mapping[str, Guest]
    silent: Unread | None = None


class Check:
    """One check of the invariants of one cloud.

    :param cloud: reads Nova's databases and Placement
    :param hosts: all compute nodes of the cloud
    :param witnesses: the witness that reports the guests of a host, by host name; None for a host
        that is down and has no other witness. The guests of a host that is missing here are not
        checked
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
        """Check the whole cloud, recheck what seems to be broken, and return the report.

        The last recheck begins up to ``settle`` seconds after the cloud was read. A cell that
        cannot be read, or a host that does not report its guests, is in ``Report.unread``, and
        nothing is raised for it.

        :raises Unread: Placement or the API database cannot be read; or a cell's database fails
            while a recheck reads from it when guests were started
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
            # Placement's answer has the same string, of which only one copy is to be kept.
            self._instances.add(sys.intern(instance.uuid))
            if (view := self._views.of(instance)) is not None:
                elastic.append(view)
            if len(self._instances) % PAGE == 0:
                self._options.progress(0, len(self._hosts), len(self._instances))
        return elastic

    def _settled(self, suspects: dict[Key, Finding]) -> Iterable[Finding]:
        """Recheck ``suspects`` for ``settle`` seconds; return those that every recheck has found.

        There is at least one recheck, unless there are no suspects.
        """
        deadline = time.monotonic() + self._options.settle
        while suspects:
            time.sleep(max(0.0, min(RECHECK_INTERVAL, deadline - time.monotonic())))
            again = self._examine_again(suspects.values())
            suspects = {key: again[key] for key in suspects if key in again}
            if time.monotonic() >= deadline:
                break
        return suspects.values()

    def _examine_again(self, suspects: Iterable[Finding]) -> dict[Key, Finding]:
        """Check what ``suspects`` are about again, and return the findings by their keys.

        That is the instances and nodes that ``suspects`` name, and the nodes that those instances
        are on now.
        """
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
        """Read ``hosts``, check ``views``, and return the findings by their keys.

        :param views: the elastic instances to check
        :param progress: see :class:`Options`; None in a recheck. A recheck also reads when guests
            were started, with one database query for each of them
        """
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
        """Read each of ``hosts``, and return what was read by the UUID of the resource provider.

        If a host does not report its guests, the error is recorded in ``_silent``. A host is not
        asked for its guests if it has no witness, if no view is on it, or if it is in ``_silent``.

        :raises Unread: Placement cannot be read
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
        # A host that did not answer once is in _silent; asking it again would take as long again.
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
        # A consumer that is not found may be in a cell that could not be read.
        return frozenset(there - (unknown - found)) if self._cloud.cells.complete else None

    def _with_their_starts(
        self, views: Iterable[ElasticInstance], guests: Mapping[str, Guest]
    ) -> dict[str, Guest]:
        """Return the guests of ``views`` by UUID, with ``booting`` set by Nova's instance actions.

        ``booting`` becomes true if Nova started the guest less than ``boot_grace`` seconds ago. A
        guest that was reported as booting already is left out, and so is one that is off or of
        which it is not known what it holds.
        """
        told = {}
        for view in views:
            guest, host = guests.get(view.uuid), self._hosts.get(view.provider or "")
            if guest is None or guest.booting or guest.held in (None, NOTHING) or host is None:
                continue
            since = self._cloud.seconds_since_start(host.context, view.uuid)
            booting = since is not None and since < self._options.boot_grace
            told[view.uuid] = replace(guest, booting=booting)
        return told

    def _hosts_not_asked(self, views: Iterable[ElasticInstance]) -> Iterator[Finding]:
        on = Counter(view.host for view in views)
        for name, witness in self._witnesses.items():
            if witness is None and on[name]:
                what = f"nova-compute of this host is down; the guests of {on[name]} elastic "
                what += "instances on this host were not checked"
                yield Finding("guest_unknown", None, name, what, note=True)


def _with(view: ElasticInstance, moves: Moves, guest: Guest | None) -> ElasticInstance:
    return replace(
        view,
        migrations=moves.running.get(view.uuid, _NONE),
        left_behind_on=moves.left_behind.get(view.uuid, _NONE),
        guest=guest,
    )
