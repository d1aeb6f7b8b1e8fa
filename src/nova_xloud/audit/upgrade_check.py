# SPDX-License-Identifier: Apache-2.0
"""The checks of ``nova-xloud-status upgrade check``: each reads some data and judges it.

The functions that judge the data are in :mod:`nova_xloud.core.checks`.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import nova.conf
from nova import context as nova_context
from nova import objects

from nova_xloud import releases
from nova_xloud.adapters import nova_objects
from nova_xloud.audit import osapi, services
from nova_xloud.audit.cells import Cells
from nova_xloud.audit.cloud import Cloud
from nova_xloud.audit.guests import ComputeWitness
from nova_xloud.audit.invariants import Check, Options
from nova_xloud.audit.report import Unread
from nova_xloud.core.checks import upgrade_check
from nova_xloud.core.checks.autoscale import AUTOSCALE, judge_autoscale
from nova_xloud.core.checks.flavors import judge_flavors
from nova_xloud.core.checks.services import COMPUTE, About, Service, judge_api, judge_services
from nova_xloud.core.checks.upgrade_check import Issue, Level, StoredFlavor, Verdict
from nova_xloud.core.size import Size
from nova_xloud.rpc.about import package_version
from nova_xloud.rpc.client import XloudAPI
from nova_xloud.rpc.versions import VERSION

LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF


class Readiness:
    """The checks of ``nova-xloud-status upgrade check``, for one cloud.

    Flavors and the answers of services are read once, also if several checks need them.

    :param misfits: returns one line for each point where nova-xloud extends or calls Nova and the
        installed Nova is not as nova-xloud expects it
    :param api_urls: the URL of each nova-api to check; if empty, the one of the service catalogue
    """

    def __init__(self, misfits: Callable[[], Sequence[str]], api_urls: Sequence[str]) -> None:
        self._misfits = misfits
        self._api_urls = api_urls
        self._asked: dict[str, list[Service]] = {}

    def checks(self) -> tuple[tuple[str, Callable[[], Verdict]], ...]:
        """Return the name of each check and the function that makes the check, in printing order.

        The functions raise no error: an error in a check becomes a warning in the check's verdict.
        """
        checks = (
            ("Nova release", self._release),
            ("Seams", self._seams),
            ("nova-api", self._api),
            (services.CONDUCTOR, lambda: self._of_kind(services.CONDUCTOR)),
            (services.SCHEDULER, lambda: self._of_kind(services.SCHEDULER)),
            (COMPUTE, lambda: self._of_kind(COMPUTE)),
            ("Balloon statistics", self._balloons),
            ("Scheduler filters", self._filters),
            ("Minimums of flavors", self._minimums),
            ("Automatic growth", self._autoscale),
            ("Invariants", self._invariants),
        )
        return tuple((name, functools.partial(_answered, name, check)) for name, check in checks)

    def _release(self) -> Verdict:
        found = releases.version()
        is_supported = found is not None and releases.is_supported(found)
        return upgrade_check.judge_release(found, is_supported, releases.SUPPORTED)

    def _seams(self) -> Verdict:
        return upgrade_check.judge_seams(self._misfits())

    def _api(self) -> Verdict:
        urls = self._api_urls or (None,)
        answers = [osapi.ask_api(url) for url in urls]
        # The user's list is better than Nova's records, which keep hosts that are long gone.
        if self._api_urls:
            return judge_api(answers, ())
        try:
            hosts = services.api_hosts(self._cells)
        except Unread as error:
            return judge_api(answers, ()).and_also(_not_read([error]))
        return self._as_far_as_read(judge_api(answers, hosts))

    def _of_kind(self, binary: str) -> Verdict:
        here = About(package_version(), VERSION)
        return self._as_far_as_read(judge_services(binary, self._services(binary), here))

    def _balloons(self) -> Verdict:
        told, silent = _option_by_host(self._services(COMPUTE), upgrade_check.STATISTICS_PERIOD)
        here = CONF.libvirt.mem_stats_period_seconds
        return self._as_far_as_read(upgrade_check.judge_balloons(told, silent, here, self._flavors))

    def _autoscale(self) -> Verdict:
        told, _ = _option_by_host(self._services(COMPUTE), AUTOSCALE)
        conductors = self._services(services.CONDUCTOR)
        verdict = judge_autoscale(told, CONF.xloud.autoscale, conductors, self._flavors)
        return self._as_far_as_read(verdict)

    def _filters(self) -> Verdict:
        told, _ = _option_by_host(self._services(services.SCHEDULER), upgrade_check.FILTERS)
        enabled = {f"nova-scheduler on {host}": filters for host, filters in told.items()}
        if not enabled:
            enabled["nova.conf on this host, because no nova-scheduler answered"] = (
                CONF.filter_scheduler.enabled_filters
            )
        return upgrade_check.judge_filters(enabled, self._flavors)

    def _minimums(self) -> Verdict:
        return judge_flavors(self._flavors)

    def _invariants(self) -> Verdict:
        cloud = Cloud(self._cells)
        hosts = cloud.hosts()
        rpc = XloudAPI()
        asked = {h.name: ComputeWitness(h.name, rpc) if h.up else None for h in hosts}
        options = Options(boot_grace=CONF.xloud.boot_grace)
        report = Check(cloud, hosts, asked, options).run()
        verdict = upgrade_check.judge_invariants(report.found, report.elastic)
        return verdict.and_also(_not_read(report.unread))

    @property
    def _cells(self) -> Cells:
        if isinstance(self._databases, Unread):
            raise self._databases
        return self._databases

    @functools.cached_property
    def _databases(self) -> Cells | Unread:
        # A database that cannot be read may take long to fail, so only one check tries.
        try:
            return Cells(nova_context.get_admin_context())
        except Unread as error:
            return error

    @functools.cached_property
    def _flavors(self) -> list[StoredFlavor]:
        """All flavors of the cloud, also private ones."""
        stored = self._cells.api_database(objects.FlavorList.get_all)
        return [_stored(flavor) for flavor in stored]

    def _services(self, binary: str) -> list[Service]:
        if binary not in self._asked:
            self._asked[binary] = services.services(self._cells, binary)
        return self._asked[binary]

    def _as_far_as_read(self, verdict: Verdict) -> Verdict:
        return verdict.and_also(_not_read(self._cells.unread))


def _stored(flavor: Any) -> StoredFlavor:
    """Return what the checks need of a ``nova.objects.Flavor``, and the flavor's memory floor."""
    maximum = Size(flavor.vcpus, flavor.memory_mb)
    floor = nova_objects.memory_floor(maximum)
    return StoredFlavor(flavor.name, maximum, dict(flavor.extra_specs), floor)


def _answered(name: str, check: Callable[[], Verdict]) -> Verdict:
    """Return the verdict of ``check``; if it raises an error, return a verdict with a warning.

    :param name: the name of the check, for the log
    """
    try:
        return check()
    except Unread as error:
        return Verdict("Not checked", _not_read([error]))
    except Exception as error:
        LOG.warning(
            "nova-xloud-status upgrade check: the check %s could not be made and is reported as a "
            "warning; the other checks go on.",
            name,
            exc_info=True,
        )
        remedy = "see the traceback on stderr"
        issue = Issue(Level.WARNING, f"{type(error).__name__}: {error}", remedy)
        return Verdict("Not checked", (issue,))


def _not_read(unread: Iterable[Unread]) -> tuple[Issue, ...]:
    return tuple(Issue(Level.WARNING, error.what, error.remedy) for error in unread)


def _option_by_host(asked: Iterable[Service], option: str) -> tuple[dict[str, Any], list[str]]:
    """Return the value of ``option`` by host, and the hosts that did not report it.

    :param option: an option as people name it, such as ``[libvirt] mem_stats_period_seconds``
    """
    told, silent = {}, []
    for service in asked:
        if service.about is not None and option in service.about.options:
            told[service.host] = service.about.options[option]
        else:
            silent.append(service.host)
    return told, silent
