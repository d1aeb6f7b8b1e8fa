# SPDX-License-Identifier: Apache-2.0
"""All domains of a host in one call."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Protocol

import libvirt
from lxml import etree

from nova_xloud.core.convergence import balloon
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.errors import DomainCallFailed
from nova_xloud.libvirt.guest_xml import KIB, defined_size, read_size, stats_period
from nova_xloud.libvirt.pinned import pinned_by

# virDomainState of a domain whose QEMU runs and whose vCPUs do not: paused, crashed, asleep
# (libvirt-domain.h; Nova's fake has not got them all).
STOPPED_STATES = (3, 6, 7)
# libvirt's id of a domain that QEMU does not run.
NO_ID = -1


class VirConnect(Protocol):
    """The calls we use of libvirt-python's virConnect."""

    def listAllDomains(self, flags: int) -> list[Any]:
        """[virDomain, ...]"""

    def getAllDomainStats(self, stats: int, flags: int) -> list[tuple[Any, dict[str, Any]]]:
        """[(virDomain, {"vcpu.current": 1, "balloon.current": KiB, ...}), ...]"""


def survey(
    connection: VirConnect, uuids: Collection[str] | None = (), usual_period: int = 0
) -> dict[str, DomainStats]:
    """Every domain of a host by its UUID, those that are shut off too.

    One call. A domain that another call holds (an unplug waits 5 s) delays nobody: libvirt tells
    what it knows of it without asking QEMU. Where that is not all, the domain is left out: not
    known is not gone. A QEMU that hangs delays it until it goes on (measured).

    For each of ``uuids`` two documents more, the live one and the definition. libvirt makes both of
    what it knows, without asking QEMU.

    :param uuids: the domains whose definition and devices are read too; None: all
    :param usual_period: as in :class:`nova_xloud.libvirt.domain.LibvirtDomain`
    :raises DomainCallFailed: libvirt did not answer
    """
    groups = (
        libvirt.VIR_DOMAIN_STATS_STATE
        | libvirt.VIR_DOMAIN_STATS_VCPU
        | libvirt.VIR_DOMAIN_STATS_BALLOON
    )
    try:
        records = connection.getAllDomainStats(
            groups, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        )
    except libvirt.libvirtError as error:
        code = error.get_error_code()
        raise DomainCallFailed(f"getAllDomainStats: {error} (libvirt {code})") from error
    seen: dict[str, DomainStats] = {}
    for dom, record in records:
        uuid, stats = dom.UUIDString(), _stats_of(dom.ID(), record)
        if stats is not None:
            is_asked = uuids is None or uuid in uuids
            seen[uuid] = _with_xml(stats, dom, usual_period) if is_asked else stats
    return seen


def survey_at(uri: str) -> dict[str, DomainStats]:
    """:func:`survey` over a connection of its own that can only read.

    The definition and the devices of each domain are read too.

    :raises DomainCallFailed: there is no libvirt at ``uri``, or it did not answer
    """
    # libvirt writes every error to stderr besides raising it.
    libvirt.registerErrorHandler(lambda context, error: None, None)
    try:
        connection = libvirt.openReadOnly(uri)
    except libvirt.libvirtError as error:
        raise DomainCallFailed(f"openReadOnly({uri}): {error}") from error
    try:
        return survey(connection, None)
    finally:
        connection.close()


def _with_xml(stats: DomainStats, dom: Any, usual_period: int) -> DomainStats:
    try:
        is_persistent = dom.isPersistent()
        live = etree.fromstring(dom.XMLDesc(0))
        inactive = etree.fromstring(dom.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    except libvirt.libvirtError:
        # It has gone just now; the next pass will not find it any more.
        return stats
    return replace(
        stats,
        defined=defined_size(inactive) if is_persistent else None,
        pinned_mb=-(-read_size(live).max_memory_kib // KIB) if pinned_by(live) else 0,
        asked_often=stats.running and balloon.is_asked_often(stats_period(live), usual_period),
    )


def _stats_of(number: int, record: dict[str, Any]) -> DomainStats | None:
    vcpus, memory_kib = record.get("vcpu.current"), record.get("balloon.current")
    if vcpus is None or memory_kib is None:
        return None
    reported_at = record.get("balloon.last-update")
    return DomainStats(
        running=number != NO_ID,
        vcpus=vcpus,
        memory_mb=-(-memory_kib // KIB),
        boot_id=None if number == NO_ID else number,
        max_memory_mb=-(-record.get("balloon.maximum", memory_kib) // KIB),
        # See LibvirtDomain: what its balloon has given back is not known to be given back.
        memory_confirmed=reported_at != 0,
        stats_at=reported_at or None,
        paused=number != NO_ID and record.get("state.state") in STOPPED_STATES,
    )


def boot_ids(connection: VirConnect) -> dict[str, int]:
    """The libvirt ids of the domains that QEMU runs, by UUID.

    No QEMU is asked, so one that hangs does not delay this, as it does :func:`survey`.

    :raises DomainCallFailed: libvirt did not answer
    """
    try:
        domains = connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    except libvirt.libvirtError as error:
        code = error.get_error_code()
        raise DomainCallFailed(f"listAllDomains: {error} (libvirt {code})") from error
    return {domain.UUIDString(): domain.ID() for domain in domains}
