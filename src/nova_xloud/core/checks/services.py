# SPDX-License-Identifier: Apache-2.0
"""Judges whether Nova's services and APIs run with nova-xloud, by what each of them answers."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nova_xloud.core.checks.upgrade_check import Issue, Level, Verdict

COMPUTE = "nova-compute"
# The environment variable of :mod:`nova_xloud.fault_points`, which a service reports where it is
# set.
FAULT_POINTS = "NOVA_XLOUD_FAULT_POINT"
# The first RPC version in which conductors and schedulers report their version.
ABOUT_SINCE = "1.3"
API_APPLICATION = "nova_xloud.wsgi.osapi_compute:application"
BY_HAND = (
    "by hand: GET /servers/{any UUID}/xloud-status returns a 404 that names the UUID where "
    "nova-api runs with nova-xloud, and an empty 404 where it does not"
)


class Runs(enum.Enum):
    """Whether a service or a nova-api runs with nova-xloud; the values are texts for people."""

    EXTENDED = "with nova-xloud"
    OLDER = "with a nova-xloud that is too old to report its version"
    STOCK = "without nova-xloud"
    SILENT = "it did not answer"
    DOWN = "it is down, and was not asked"


@dataclass(frozen=True, slots=True)
class About:
    """What a service of Nova reports about the nova-xloud that it runs with.

    :ivar package: version of the service's nova-xloud
    :ivar rpc_version: version of the service's RPC namespace ``xloud``
    :ivar options: the options of the service's nova.conf that the checks use, by ``[group] name``;
        also the environment variable :data:`FAULT_POINTS`, by its name, where it is set
    """

    package: str
    rpc_version: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"nova-xloud {self.package} (RPC {self.rpc_version})"


@dataclass(frozen=True, slots=True)
class Service:
    """One service of Nova.

    :ivar binary: ``nova-compute``, for example
    :ivar host: the host that the service runs on
    :ivar runs: how the service was found to run
    :ivar about: what a service that is ``EXTENDED`` reports; else None
    :ivar why: why a service that is ``SILENT`` did not answer; else empty
    """

    binary: str
    host: str
    runs: Runs
    about: About | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """The result of a request to one nova-api.

    :ivar name: the URL of the nova-api; if it is not known, the place where it was looked up
    :ivar runs: how the nova-api was found to run
    :ivar why: why a nova-api that is ``SILENT`` was not checked; else empty
    """

    name: str
    runs: Runs
    why: str = ""


def judge_services(binary: str, services: Sequence[Service], here: About) -> Verdict:
    """Judge whether all services of a kind run with nova-xloud, in the version that runs here.

    A service without nova-xloud is a failure, but only a warning if it is a nova-compute. A service
    with :data:`FAULT_POINTS` in its environment is a failure, because a test can kill it. A service
    is a warning if it is down, does not answer, or has another version of nova-xloud. An empty list
    of services is a warning too.

    A nova-xloud may be too old to report its version. A nova-compute with such a nova-xloud is a
    warning. Any other service with it looks like one without nova-xloud, and is a failure.

    :param binary: the kind of service, such as ``nova-compute``
    :param here: the nova-xloud that runs this check
    """
    if not services:
        what = f"Nova's databases have no record of a {binary}"
        return Verdict(
            "No service was asked", (Issue(Level.WARNING, what, "start one, and check again"),)
        )
    # Traits keep elastic instances off a nova-compute without nova-xloud, so that is a warning. The
    # services that place or move instances must have nova-xloud.
    stock = Level.WARNING if binary == COMPUTE else Level.FAILURE
    start = f"start it with nova-xloud-run {binary}"
    if binary != COMPUTE:
        start += (
            f"; if it was, its nova-xloud is older than RPC version {ABOUT_SINCE} and cannot "
            f"report itself: upgrade nova-xloud there"
        )
    issues = [
        *_of(services, Runs.STOCK, stock, start),
        *_of(services, Runs.OLDER, Level.WARNING, f"install {here} there and restart it"),
        *_of(services, Runs.DOWN, Level.WARNING, "start it, or delete its record if it is gone"),
    ]
    for service in services:
        if service.runs is Runs.SILENT:
            what = f"{binary} on {service.host} did not answer: {service.why}"
            issues.append(Issue(Level.WARNING, what, "see its log, transport_url and the broker"))
    others: dict[str, list[str]] = {}
    for service in services:
        if service.about and _differs(service.about, here):
            others.setdefault(str(service.about), []).append(service.host)
    for theirs, hosts in others.items():
        what = f"{binary} on {', '.join(hosts)} runs with {theirs}, and here is {here}"
        remedy = "install one version everywhere and restart; the older one refuses what it "
        remedy += "does not know"
        issues.append(Issue(Level.WARNING, what, remedy))
    for service in services:
        if service.about and FAULT_POINTS in service.about.options:
            what = f"{binary} on {service.host} kills itself where a test says so: {FAULT_POINTS} "
            what += f"is set to {service.about.options[FAULT_POINTS]} in its environment"
            issues.append(Issue(Level.FAILURE, what, "unset the variable and restart the service"))
    extended = [service.host for service in services if service.runs is Runs.EXTENDED]
    return Verdict(f"With nova-xloud: {', '.join(extended) or 'none'}", tuple(issues))


def judge_api(answers: Sequence[ApiAnswer], hosts: Sequence[str]) -> Verdict:
    """Judge whether nova-api runs with nova-xloud.

    A nova-api without nova-xloud is a failure, and a nova-api that was not checked is a warning.
    More than one host in ``hosts`` is a warning too.

    :param answers: the result of the request to each URL
    :param hosts: the hosts where a nova-api was ever started, because one URL may stand for all of
        them; empty if they are not known, or if the operator has named each URL
    """
    issues = []
    for answer in answers:
        if answer.runs is Runs.STOCK:
            what = f"nova-api at {answer.name} runs without nova-xloud"
            remedy = f"give its WSGI server the application {API_APPLICATION}"
            issues.append(Issue(Level.FAILURE, what, remedy))
        elif answer.runs is not Runs.EXTENDED:
            what = f"nova-api at {answer.name} was not checked: {answer.why}"
            remedy = f"check [placement] of nova.conf, and name the URL with --api; or {BY_HAND}"
            issues.append(Issue(Level.WARNING, what, remedy))
    if len(hosts) > 1:
        what = f"nova-api was started on {', '.join(hosts)}, and only one of them has answered"
        issues.append(Issue(Level.WARNING, what, "name each with --api URL"))
    extended = [answer.name for answer in answers if answer.runs is Runs.EXTENDED]
    return Verdict(f"With nova-xloud: {', '.join(extended) or 'none'}", tuple(issues))


def how_api_runs(status: int, body: str, uuid: str) -> tuple[Runs, str]:
    """Return whether a nova-api runs with nova-xloud, by its answer to a request for a status.

    The request is ``GET /servers/{uuid}/xloud-status``.

    :param status: the HTTP status of the answer
    :param uuid: a UUID that no server has
    :returns: ``EXTENDED`` for a 404 that names the UUID, or a 403 by a policy of nova-xloud;
        ``STOCK`` for any other 404; else ``SILENT``. The second element is the reason for
        ``SILENT``, and empty otherwise
    """
    if status == 404 and uuid in body:
        return Runs.EXTENDED, ""
    # The policy of nova-xloud refuses before the server is looked up; stock Nova has no policy for
    # that path.
    if status == 403 and "xloud" in body:
        return Runs.EXTENDED, ""
    if status == 404:
        return Runs.STOCK, ""
    return Runs.SILENT, f"it answered {status}: {body[:200]}"


def _differs(theirs: About, here: About) -> bool:
    return (theirs.package, theirs.rpc_version) != (here.package, here.rpc_version)


def _of(services: Sequence[Service], runs: Runs, level: Level, remedy: str) -> list[Issue]:
    hosts = [service.host for service in services if service.runs is runs]
    if not hosts:
        return []
    verb = "" if runs is Runs.DOWN else "runs "
    what = f"{services[0].binary} on {', '.join(hosts)}: {verb}{runs.value}"
    return [Issue(level, what, remedy)]
