# SPDX-License-Identifier: Apache-2.0
"""What the guests of a host hold, by one of two witnesses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import oslo_messaging as messaging

from nova_xloud import releases
from nova_xloud.audit.aside import within
from nova_xloud.audit.cloud import chunks
from nova_xloud.audit.report import Unread
from nova_xloud.core.checks.invariants import Guest
from nova_xloud.core.instance import pinned
from nova_xloud.core.instance.conditions import BOOTING
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.size import Size
from nova_xloud.errors import DomainError, HostUnavailable, HostUnsupported, NotFound, Refused
from nova_xloud.rpc.client import XloudAPI

# Instances that one answer of a nova-compute is about.
AT_A_TIME = 500
# From the URI of a libvirt to its domains by UUID.
Survey = Callable[[str], Mapping[str, DomainStats]]
# Reads the instances that are asked about, as ``nova.objects.Instance``, some at a time.
Read = Callable[[], Iterable[Any]]


class Witness(Protocol):
    """Tells what the guests of one host hold."""

    def guests(self, uuids: Sequence[str], context: Any, read: Read) -> dict[str, Guest]:
        """By the UUID of the instance; one that the witness knows nothing of may be left out.

        May be called in any thread.

        :param uuids: of the instances
        :param context: ``nova.context.RequestContext`` of this thread alone, targeted at the cell
        :param read: for a witness that needs more than UUIDs
        :raises Unread: it does not answer
        """


def witnesses(
    hosts: Mapping[str, bool], uris: Mapping[str, str], survey: Survey
) -> dict[str, Witness | None]:
    """Who is asked for the guests of each host: its libvirt where that is named, else nova-compute.

    A libvirt may take as long to answer as a nova-compute.

    :param hosts: every host, and whether it is up
    :param uris: of libvirt, by host
    :returns: by host; None where there is nobody to ask
    :raises Unread: there is no host of such a name
    """
    if strange := sorted(uris.keys() - hosts.keys()):
        raise Unread(
            f"there is no compute host {', '.join(strange)}",
            f"name them as Nova does: {', '.join(sorted(hosts)) or 'there is none yet'}",
        )
    rpc = XloudAPI()
    asked: dict[str, Witness | None] = {}
    for name, up in hosts.items():
        if name in uris:
            asked[name] = LibvirtWitness(name, uris[name], survey, rpc.answered_within())
        else:
            asked[name] = ComputeWitness(name, rpc) if up else None
    return asked


class LibvirtWitness:
    """The libvirt of the host itself: independent of nova-compute, one call for all domains.

    libvirt has no time-out of its own, so the call is left behind when its time is over.
    """

    def __init__(self, host: str, uri: str, survey: Survey, seconds: float) -> None:
        self._host = host
        self._uri = uri
        self._survey = survey
        self._seconds = seconds

    def guests(self, uuids: Sequence[str], context: Any, read: Read) -> dict[str, Guest]:
        try:
            seen = within(
                self._seconds, lambda: self._survey(self._uri), releases.machine_threads()
            )
        except (DomainError, ImportError, TimeoutError) as error:
            raise Unread(
                f"libvirt of host {self._host} at {self._uri} could not be asked: {error}",
                f"correct --libvirt {self._host}=URI (virsh -r -c URI list has to answer; "
                "libvirt-python has to be installed), or leave it out to ask nova-compute",
            ) from error
        return {uuid: _guest_from_stats(seen[uuid]) for uuid in uuids if uuid in seen}


def _guest_from_stats(stats: DomainStats) -> Guest:
    # No guest has more CPUs online than QEMU has.
    held = stats.held if stats.running else Size(0, 0)
    return Guest(held, defined=stats.defined, pinned=stats.pinned_mb > 0)


class ComputeWitness:
    """nova-compute of the host, asked about many instances at a time.

    An older one, which cannot be asked so, is asked for the status of one after the other.

    :param rpc: :class:`nova_xloud.rpc.client.XloudAPI`
    """

    def __init__(self, host: str, rpc: Any) -> None:
        self._host = host
        self._rpc = rpc

    def guests(self, uuids: Sequence[str], context: Any, read: Read) -> dict[str, Guest]:
        with self._answering():
            try:
                return {
                    uuid: _guest_from_report(told)
                    for some in chunks(uuids, AT_A_TIME)
                    for uuid, told in self._rpc.guests(context, self._host, some).items()
                }
            except HostUnsupported:
                return self._one_by_one(read)

    def _one_by_one(self, read: Read) -> dict[str, Guest]:
        seen = {}
        for instance in read():
            # Else deleted since its record was read.
            with contextlib.suppress(NotFound):
                seen[instance.uuid] = _guest_from_status(
                    self._rpc.status(instance._context, instance)
                )
        return seen

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        """:raises Unread: the call within is not answered; more would be waited for as long"""
        try:
            yield
        except HostUnavailable as error:
            raise self._unread(str(error), "see its log") from error
        except Refused as error:
            raise self._unread(str(error), "start it with nova-xloud-run") from error
        except (messaging.MessagingException, messaging.RemoteError) as error:
            raise self._unread(
                f"{type(error).__name__}: {error}", "check transport_url and the broker"
            ) from error

    def _unread(self, why: str, remedy: str) -> Unread:
        return Unread(
            f"nova-compute of host {self._host} did not tell what its guests hold: {why}",
            f"{remedy}, or ask libvirt itself: --libvirt {self._host}=URI, or leave all guests "
            "out: --no-guests",
        )


def _guest_from_report(told: Mapping[str, Any]) -> Guest:
    defined = told["defined"]
    return Guest(
        Size(**told["held"]),
        booting=told["booting"],
        defined=None if defined is None else Size(**defined),
        pinned=told["pinned"],
    )


def _guest_from_status(status: Mapping[str, Any]) -> Guest:
    vcpus, memory = status["vcpus"], status["memory_mb"]
    memory_mb = memory["observed"]
    if memory_mb is None and memory["actuated"]:
        # Its driver has not reported: for all that is known it has everything.
        memory_mb = status["max_memory_mb"]
    held = Size(
        max(vcpus["actuated"], vcpus["observed"] or 0), max(memory["actuated"], memory_mb or 0)
    )
    true = [condition for condition in status["conditions"] if condition["status"]]
    # A nova-compute of before does not tell of it.
    defined = status.get("definition")
    return Guest(
        held,
        booting=any(condition["type"] == BOOTING for condition in true),
        defined=None if defined is None else Size(**defined),
        pinned=any(condition["reason"] == pinned.NOT_EFFECTIVE for condition in true),
    )
