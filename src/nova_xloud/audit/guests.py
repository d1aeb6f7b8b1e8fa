# SPDX-License-Identifier: Apache-2.0
"""Asks what the guests of a host hold, in two ways: the host's libvirt, or its nova-compute."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

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

        An instance that the witness does not know may be missing. This may be called in any thread.

        :param uuids: UUIDs of instances on the host
        :param context: a ``nova.context.RequestContext`` that no other thread uses, targeted at the
            host's cell
        :param read: reads the same instances, for a witness that needs more than UUIDs
        :raises Unread: the witness does not answer, or cannot report what the guests hold
        """


def witnesses(
    hosts: Mapping[str, bool], uris: Mapping[str, str], survey: Survey
) -> dict[str, Witness | None]:
    """Return the witness of each host: its libvirt if ``uris`` has the host, else its nova-compute.

    A libvirt has as long to answer as a nova-compute has for an RPC call: Nova's
    ``rpc_response_timeout``.

    :param hosts: whether nova-compute is up, by host name; every host of the cloud
    :param uris: the URI of a host's libvirt, by host name
    :param survey: reads all domains of the libvirt at a URI
    :returns: the witness by host name; None for a host whose nova-compute is down and that is not
        in ``uris``
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
    """Asks the libvirt of a host what the host's guests hold, independently of nova-compute.

    All domains of the host are read, also those that are not asked for. The calls to libvirt may
    hang, so they are made in a thread, which is not waited for longer than ``seconds``. libvirt
    does not report when a guest has started, so ``Guest.booting`` is always False.

    :param uri: the URI of the host's libvirt
    :param survey: reads all domains of the libvirt at a URI
    :param seconds: how long all calls to libvirt together may take
    """

    def __init__(self, host: str, uri: str, survey: Survey, seconds: float) -> None:
        self._host = host
        self._uri = uri
        self._survey = survey
        self._seconds = seconds

    def guests(self, uuids: Sequence[str], context: Any, read: Read) -> dict[str, Guest]:
        """Return what the guests hold, by UUID of the instance; see :meth:`Witness.guests`.

        An instance is missing if libvirt has no domain for it, or is too busy to report the domain.

        :raises Unread: libvirt cannot be reached, fails, or does not answer in time, or
            libvirt-python is not installed
        """
        try:
            seen = within(
                self._seconds, lambda: self._survey(self._uri), releases.machine_threads()
            )
        except (DomainError, ImportError, TimeoutError) as error:
            raise Unread(
                f"libvirt of host {self._host} at {self._uri} could not be asked: {error}",
                f"correct --libvirt {self._host}=URI (virsh -r -c URI domstats has to answer, "
                "which a QEMU that hangs prevents; libvirt-python has to be installed), or leave "
                "it out to ask nova-compute",
            ) from error
        return {uuid: _guest_from_stats(seen[uuid]) for uuid in uuids if uuid in seen}


def _guest_from_stats(stats: DomainStats) -> Guest:
    # A guest cannot have more CPUs online than QEMU has, so stats.held is an upper bound.
    held = stats.held if stats.running else Size(0, 0)
    return Guest(held, defined=stats.defined, pinned=stats.pinned_mb > 0)


class ComputeWitness:
    """Asks the nova-compute of a host over RPC what the host's guests hold.

    One call asks for up to ``AT_A_TIME`` instances. If nova-compute is too old for that call, or
    ``[upgrade_levels] xloud`` does not allow it, the status of each instance is asked for.

    :param rpc: :class:`nova_xloud.rpc.client.XloudAPI`
    """

    def __init__(self, host: str, rpc: Any) -> None:
        self._host = host
        self._rpc = rpc

    def guests(self, uuids: Sequence[str], context: Any, read: Read) -> dict[str, Guest]:
        """Return what the guests hold, by UUID of the instance; see :meth:`Witness.guests`.

        An instance that was deleted since its UUID was read is missing.

        :raises Unread: nova-compute does not answer, refuses or fails the call, or runs without
            nova-xloud; or the instances cannot be read from the database
        """
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
        """Raise ``Unread`` in place of the error of an RPC call in the ``with`` block.

        :raises Unread: nova-compute does not answer, refuses the call or fails, or the broker fails
        """
        try:
            yield
        except HostUnavailable as error:
            raise self._unread(str(error), "see the log of that nova-compute") from error
        except Refused as error:
            remedy = "start that nova-compute with nova-xloud-run if it runs without nova-xloud"
            raise self._unread(str(error), remedy) from error
        except Exception as error:
            # oslo.messaging raises an error of Python or of Nova in nova-compute as it was there.
            raise self._unread(
                f"{type(error).__name__}: {error}",
                "see the log of that nova-compute, and check transport_url and the broker",
            ) from error

    def _unread(self, why: str, remedy: str) -> Unread:
        return Unread(
            f"nova-compute of host {self._host} did not report what its guests hold: {why}",
            f"{remedy}, or have nova-xloud-status invariants ask libvirt instead (--libvirt "
            f"{self._host}=URI) or leave all guests out (--no-guests)",
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
