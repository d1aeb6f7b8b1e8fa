# SPDX-License-Identifier: Apache-2.0
"""Two ways to ask what the guests of a host hold: its libvirt, and its nova-compute."""

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

# The number of instances in one RPC call to a nova-compute.
AT_A_TIME = 500
# Returns the domains of the libvirt at a URI, by UUID.
Survey = Callable[[str], Mapping[str, DomainStats]]
# Reads the instances of one host as ``nova.objects.Instance``, some at a time.
Read = Callable[[], Iterable[Any]]


class Witness(Protocol):
    """A source that reports what the guests of one host hold."""

    def guests(self, uuids: Sequence[str], context: Any, read: Read) -> dict[str, Guest]:
        """Return what each guest holds, by the UUID of its instance.

        An instance that the witness does not know may be absent. This may be called in any thread.

        :param uuids: of the instances
        :param context: ``nova.context.RequestContext`` of this thread alone, targeted at the cell
        :param read: reads the same instances, for a witness that needs more than UUIDs
        :raises Unread: the witness does not answer, or cannot report what the guests hold
        """


def witnesses(
    hosts: Mapping[str, bool], uris: Mapping[str, str], survey: Survey
) -> dict[str, Witness | None]:
    """Choose the witness of each host: its libvirt if ``uris`` has the host, else its nova-compute.

    A libvirt has as many seconds to answer as a nova-compute has for an RPC call.

    :param hosts: every host, and whether its nova-compute is up
    :param uris: URIs of libvirt, by host
    :param survey: reads all domains of the libvirt at a URI
    :returns: by host; None for a host that is down and not in ``uris``
    :raises Unread: ``uris`` has a host that is not in ``hosts``
    """
    if strange := sorted(uris.keys() - hosts.keys()):
        raise Unread(
            f"there is no compute host {', '.join(strange)}",
            "name a host as Nova does: "
            f"{', '.join(sorted(hosts)) or 'there is no compute host yet'}",
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
    """Asks the libvirt of a host what its guests hold, independently of nova-compute.

    All domains of the host are read at once, also those that are not asked for: one call to libvirt
    for the statistics of all, and three for the documents of each. libvirt has no timeout of its
    own, so the calls are made in a thread, which is abandoned after ``seconds``.

    :param uri: of that libvirt
    :param survey: reads all domains of the libvirt at a URI
    :param seconds: how long all the calls together may take
    """

    def __init__(self, host: str, uri: str, survey: Survey, seconds: float) -> None:
        self._host = host
        self._uri = uri
        self._survey = survey
        self._seconds = seconds

    def guests(self, uuids: Sequence[str], context: Any, read: Read) -> dict[str, Guest]:
        """Return what the guests hold by libvirt's statistics; see :meth:`Witness.guests`.

        A domain that libvirt does not have, or is too busy to report, is absent.
        """
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
    # A guest cannot have more CPUs online than QEMU has, so stats.held is an upper bound.
    held = stats.held if stats.running else Size(0, 0)
    return Guest(held, defined=stats.defined, pinned=stats.pinned_mb > 0)


class ComputeWitness:
    """Asks the nova-compute of a host over RPC, for many instances in one call.

    A nova-compute with an older RPC version, which does not know that call, is asked for the status
    of one instance after the other.

    :param rpc: :class:`nova_xloud.rpc.client.XloudAPI`
    """

    def __init__(self, host: str, rpc: Any) -> None:
        self._host = host
        self._rpc = rpc

    def guests(self, uuids: Sequence[str], context: Any, read: Read) -> dict[str, Guest]:
        """Return what the guests hold as nova-compute reports it; see :meth:`Witness.guests`."""
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
            # NotFound: the instance was deleted since it was read.
            with contextlib.suppress(NotFound):
                seen[instance.uuid] = _guest_from_status(
                    self._rpc.status(instance._context, instance)
                )
        return seen

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        """Turn errors of an RPC call inside the block into ``Unread``.

        :raises Unread: nova-compute does not answer, or refuses the call, or the broker fails.
            Each further call might take as long again, so no further call is made
        """
        try:
            yield
        except HostUnavailable as error:
            raise self._unread(str(error), "see the log of that nova-compute") from error
        except Refused as error:
            remedy = "start that nova-compute with nova-xloud-run"
            raise self._unread(str(error), remedy) from error
        except (messaging.MessagingException, messaging.RemoteError) as error:
            raise self._unread(
                f"{type(error).__name__}: {error}", "check transport_url and the broker"
            ) from error

    def _unread(self, why: str, remedy: str) -> Unread:
        return Unread(
            f"nova-compute of host {self._host} did not report what its guests hold: {why}",
            f"{remedy}, or ask libvirt instead with --libvirt {self._host}=URI, or leave all "
            "guests out with --no-guests",
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
        # The balloon driver has not reported, so the guest may have all of its memory.
        memory_mb = status["max_memory_mb"]
    held = Size(
        max(vcpus["actuated"], vcpus["observed"] or 0), max(memory["actuated"], memory_mb or 0)
    )
    true = [condition for condition in status["conditions"] if condition["status"]]
    # The status of an older nova-compute has no "definition".
    defined = status.get("definition")
    return Guest(
        held,
        booting=any(condition["type"] == BOOTING for condition in true),
        defined=None if defined is None else Size(**defined),
        pinned=any(condition["reason"] == pinned.NOT_EFFECTIVE for condition in true),
    )
