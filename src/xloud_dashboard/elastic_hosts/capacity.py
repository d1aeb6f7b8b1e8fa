# SPDX-License-Identifier: Apache-2.0
"""What a compute host has, and what the servers on it have and could have: sums of answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from nova_xloud.client import RecordedServer, Size
from xloud_dashboard.hypervisors import Hypervisor
from xloud_dashboard.size import words
from xloud_dashboard.size.totals import Totals

# What stands below the bars of a host, and what it is, in sentences.
MEANINGS = (
    (_("claimed"), _("What Placement has allocated to the servers, as was recorded last.")),
    (_("promised"), _("What the servers could have: the sizes of their flavors.")),
    (_("the host has"), _("What Nova says of the hypervisor; Placement may overcommit that.")),
    (_("of it used"), _("What Nova counts: all servers of the host, and the host reserve.")),
    (_("free, without overcommit"), _("What the host has, without what is used.")),
    (_("promised beyond its end"), _("How much more is promised than the host has.")),
)
# So many servers are named of those that would free most memory.
_MOST_NAMED = 5


@dataclass(frozen=True)
class Scale:
    """One resource of a host, as a bar that is as long as the larger of what is there and promised.

    :ivar physical: what the host has, as Nova tells; None if Nova did not tell
    :ivar used: what Nova counts as used of that; None if Nova did not tell
    :ivar claimed: what is claimed for its servers
    :ivar promised: what its servers could have: the sizes of their flavors
    """

    unit: str
    physical: int | None
    used: int | None
    claimed: int
    promised: int

    @property
    def beyond(self) -> int:
        """How much more is promised than the host has; 0 if it is not more, or not known."""
        return max(0, self.promised - self.physical) if self.physical is not None else 0

    @property
    def free(self) -> int | None:
        """How much of what the host has is not used; None if Nova did not tell."""
        if self.physical is None or self.used is None:
            return None
        return max(0, self.physical - self.used)

    def _part(self, value: int) -> str:
        longest = max(self.promised, self.claimed, self.physical or 0)
        return f"{100 * value / longest:.2f}%" if longest else "0%"

    @property
    def claimed_width(self) -> str:
        """How much of the bar is claimed."""
        return self._part(self.claimed)

    @property
    def promised_width(self) -> str:
        """How much of the bar is promised."""
        return self._part(self.promised)

    @property
    def end(self) -> str:
        """Where in the bar the host ends; empty if Nova did not tell."""
        return "" if self.physical is None else self._part(self.physical)


@dataclass(frozen=True)
class Host:
    """A compute host with the servers on it.

    :ivar told: what Nova's list tells of the host; None if Nova did not tell
    :ivar wrong: the servers of which something is not as it should be, each with the reason codes
    :ivar freeing: the servers that would free most memory if they had no more than their flavors
        boot with, those first
    """

    name: str
    told: Hypervisor | None
    totals: Totals
    wrong: tuple[tuple[RecordedServer, tuple[str, ...]], ...]
    freeing: tuple[RecordedServer, ...]

    @property
    def scales(self) -> tuple[Scale, Scale]:
        """The bars of vCPUs and memory."""
        return self._scale("vCPUs", "vcpus"), self._scale("MiB", "memory_mb")

    def _scale(self, unit: str, resource: str) -> Scale:
        told, totals = self.told, self.totals
        return Scale(
            unit,
            physical=getattr(told.has, resource) if told else None,
            used=getattr(told.used, resource) if told else None,
            claimed=getattr(totals.reserved, resource),
            promised=getattr(totals.maximum, resource),
        )


def hosts_of(servers: Iterable[RecordedServer], told: Mapping[str, Hypervisor]) -> list[Host]:
    """Return all hosts by name, those without a server too.

    :param told: what Nova's list tells of hosts, by the hosts' names
    """
    on: defaultdict[str, list[RecordedServer]] = defaultdict(list)
    for server in servers:
        if server.host is not None:
            on[server.host].append(server)
    return [_host(name, told.get(name), on[name]) for name in sorted({*on, *told})]


def _host(name: str, told: Hypervisor | None, servers: list[RecordedServer]) -> Host:
    freeing = sorted(servers, key=lambda one: Totals.of([one]).gain.memory_mb, reverse=True)
    return Host(
        name=name,
        told=told,
        totals=Totals.of(servers),
        wrong=tuple((one, codes) for one in servers if (codes := _wrong(one))),
        freeing=tuple(one for one in freeing if Totals.of([one]).gain != Size(0, 0))[:_MOST_NAMED],
    )


def _wrong(server: RecordedServer) -> tuple[str, ...]:
    """Return the reason codes of what is not as it should be, each once."""
    return tuple(dict.fromkeys(one.reason for one in words.wrong(server.conditions)))
