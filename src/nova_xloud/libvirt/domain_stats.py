# SPDX-License-Identifier: Apache-2.0
"""Read the statistics of all domains of a host, or the ids of those that QEMU runs.

Either takes one call to libvirt. For some domains two documents may be read too, which takes three
calls more for each of them.
"""

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

# virDomainState of a domain whose QEMU runs and whose vCPUs do not: paused, crashed, suspended by
# the guest (libvirt-domain.h; Nova's fake libvirt lacks some of the constants).
STOPPED_STATES = (3, 6, 7)
# libvirt's id of a domain that QEMU does not run.
NO_ID = -1
# What libvirt knows of a balloon without the guest's driver.
HOST_SIDE = frozenset({"balloon.current", "balloon.maximum", "balloon.last-update", "balloon.rss"})


class VirConnect(Protocol):
    """The calls of libvirt-python's virConnect that are used here."""

    def listAllDomains(self, flags: int) -> list[Any]:
        """Return the domains that ``flags`` selects, as ``[virDomain, ...]``."""

    def getAllDomainStats(self, stats: int, flags: int) -> list[tuple[Any, dict[str, Any]]]:
        """Return each domain with its statistics.

        They are ``[(virDomain, {"vcpu.current": 1, "balloon.current": KiB, ...}), ...]``.
        """


def survey(
    connection: VirConnect,
    uuids: Collection[str] | None = (),
    usual_period: int = 0,
    scaled: Collection[str] = (),
) -> dict[str, DomainStats]:
    """Return the statistics of the domains of a host by UUID, also of domains that are shut off.

    All statistics come from one call. A domain that another call holds (an unplug waits 5 s) does
    not delay it: libvirt returns what it knows of that domain without asking QEMU. If that lacks
    vCPUs or memory, the domain is missing in the result, which does not mean that it is gone. A
    QEMU that hangs delays the call until QEMU answers again (measured).

    For each of ``uuids`` two documents are read as well, the live one and the definition. libvirt
    makes both from what it knows, without asking QEMU. If libvirt returns an error, as for a domain
    that was just removed, the statistics of that domain are returned without what the documents
    say: ``defined``, ``pinned_mb`` and ``asked_often``.

    :param uuids: UUIDs of the domains whose documents are read too; None: of all domains
    :param usual_period: the host's ``[libvirt] mem_stats_period_seconds``, to find the domains that
        a shrink has left with a shorter period; 0: this host asks no guest for statistics
    :param scaled: UUIDs of the domains that are scaled automatically. Their usual period is at most
        :data:`nova_xloud.core.convergence.balloon.OFTEN`, 1 s
    :raises DomainCallFailed: ``getAllDomainStats`` failed, whatever libvirt's error is
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
        raise DomainCallFailed(f"getAllDomainStats: {error} (libvirt error {code})") from error
    seen: dict[str, DomainStats] = {}
    for dom, record in records:
        uuid, stats = dom.UUIDString(), _stats_of(dom.ID(), record)
        if stats is not None:
            is_asked = uuids is None or uuid in uuids
            usual = min(balloon.OFTEN, usual_period) if uuid in scaled else usual_period
            seen[uuid] = _with_xml(stats, dom, usual) if is_asked else stats
    return seen


def survey_at(uri: str) -> dict[str, DomainStats]:
    """Return what :func:`survey` returns, over a new read-only connection: statistics by UUID.

    The documents of all domains are read too, so ``defined`` and ``pinned_mb`` are known.
    ``asked_often`` is always False, because the host's usual period is not known here.

    Side effect: libvirt no longer writes its errors to the stderr of this process.

    :param uri: the libvirt URI to connect to, such as ``qemu:///system``
    :raises DomainCallFailed: the connection to ``uri`` cannot be opened, or ``getAllDomainStats``
        failed
    """
    # Without this handler libvirt writes every error to stderr besides raising it.
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
        # The domain was just removed; the next pass will not find it any more.
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
    reported_at = _last_report(record)
    return DomainStats(
        running=number != NO_ID,
        vcpus=vcpus,
        memory_mb=-(-memory_kib // KIB),
        boot_id=None if number == NO_ID else number,
        max_memory_mb=-(-record.get("balloon.maximum", memory_kib) // KIB),
        # 0: no report since power-on or reset, so the guest may have all of its memory.
        memory_confirmed=reported_at != 0,
        stats_at=reported_at or None,
        paused=number != NO_ID and record.get("state.state") in STOPPED_STATES,
    )


def _last_report(record: dict[str, Any]) -> int | None:
    """Return when the balloon's driver has last reported, in seconds since 1970.

    A time without figures of the guest is no report of the guest's memory (see
    :func:`nova_xloud.libvirt.memory_stats.last_report`).

    :returns: 0 if the driver has not reported since power-on or reset; None if that is unknown
    """
    reported_at = record.get("balloon.last-update")
    has_figures = any(name.startswith("balloon.") and name not in HOST_SIDE for name in record)
    return reported_at if reported_at is None or has_figures else 0


def boot_ids(connection: VirConnect) -> dict[str, int]:
    """Return libvirt's ids of the domains that QEMU runs, by UUID.

    libvirt asks no QEMU for this. So unlike :func:`survey`, it is not delayed by a QEMU that hangs.

    :raises DomainCallFailed: ``listAllDomains`` failed, whatever libvirt's error is
    """
    try:
        domains = connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
    except libvirt.libvirtError as error:
        code = error.get_error_code()
        raise DomainCallFailed(f"listAllDomains: {error} (libvirt error {code})") from error
    return {domain.UUIDString(): domain.ID() for domain in domains}
