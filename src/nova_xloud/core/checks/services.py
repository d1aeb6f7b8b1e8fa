# SPDX-License-Identifier: Apache-2.0
"""Whether Nova's services run with nova-xloud, by what each of them says."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nova_xloud.core.checks.upgrade_check import Issue, Level, Verdict

COMPUTE = "nova-compute"
# The RPC version with which conductors and schedulers began to answer.
ABOUT_SINCE = "1.3"
API_APPLICATION = "nova_xloud.wsgi.osapi_compute:application"
BY_HAND = (
    "by hand: GET /servers/{any UUID}/xloud-status says 404 and that UUID where it runs with "
    "nova-xloud, and an empty 404 where not"
)


class Runs(enum.Enum):
    """How a service was found to run."""

    EXTENDED = "with nova-xloud"
    OLDER = "with a nova-xloud that is older than this question"
    STOCK = "without nova-xloud"
    SILENT = "it did not answer"
    DOWN = "it is down, and was not asked"


@dataclass(frozen=True, slots=True)
class About:
    """What a service says of itself.

    :ivar package: version of its nova-xloud
    :ivar rpc_version: of its ``xloud`` namespace
    :ivar options: those of its nova.conf that matter here, by ``[group] name``
    """

    package: str
    rpc_version: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"nova-xloud {self.package} (RPC {self.rpc_version})"


@dataclass(frozen=True, slots=True)
class Service:
    """One service of Nova.

    :ivar about: of one that is ``EXTENDED``
    :ivar why: of one that is ``SILENT``
    """

    binary: str
    host: str
    runs: Runs
    about: About | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """What came of asking one nova-api.

    :ivar name: its URL, or where the URL would have been from
    :ivar why: of one that is ``SILENT``
    """

    name: str
    runs: Runs
    why: str = ""


def judge_services(binary: str, services: Sequence[Service], here: About) -> Verdict:
    """Whether all services of a kind run with nova-xloud, and with the one that is here."""
    if not services:
        what = f"Nova's databases have no record of a {binary}"
        return Verdict("Nobody was asked", (Issue(Level.WARNING, what, "start it, and ask again"),))
    # A compute without it is kept out of its way by traits; whatever places or moves has to know.
    stock = Level.WARNING if binary == COMPUTE else Level.FAILURE
    start = f"start it with nova-xloud-run {binary}"
    if binary != COMPUTE:
        start += f"; one that is, and older than RPC {ABOUT_SINCE}, cannot say so: restart it"
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
        remedy = "install one version everywhere and restart; what the older does not know is "
        remedy += "refused there"
        issues.append(Issue(Level.WARNING, what, remedy))
    extended = [service.host for service in services if service.runs is Runs.EXTENDED]
    return Verdict(f"With nova-xloud: {', '.join(extended) or 'none'}", tuple(issues))


def judge_api(answers: Sequence[ApiAnswer], hosts: Sequence[str]) -> Verdict:
    """Whether nova-api runs with nova-xloud.

    :param hosts: where one was ever started, behind the URL that was asked
    """
    issues = []
    for answer in answers:
        if answer.runs is Runs.STOCK:
            what = f"nova-api at {answer.name} runs without nova-xloud"
            remedy = f"give its WSGI server the application {API_APPLICATION}"
            issues.append(Issue(Level.FAILURE, what, remedy))
        elif answer.runs is not Runs.EXTENDED:
            what = f"nova-api at {answer.name} was not checked: {answer.why}"
            remedy = f"check [placement] of nova.conf, and name its URL with --api; or {BY_HAND}"
            issues.append(Issue(Level.WARNING, what, remedy))
    if len(hosts) > 1:
        what = f"nova-api was started on {', '.join(hosts)}, and only one of them has answered"
        issues.append(Issue(Level.WARNING, what, "name each with --api URL"))
    extended = [answer.name for answer in answers if answer.runs is Runs.EXTENDED]
    return Verdict(f"With nova-xloud: {', '.join(extended) or 'none'}", tuple(issues))


def how_api_runs(status: int, body: str, uuid: str) -> tuple[Runs, str]:
    """How the nova-api runs that answered ``GET /servers/{uuid}/xloud-status``.

    :param uuid: of no server
    :returns: with why, where it is not known
    """
    if status == 404 and uuid in body:
        return Runs.EXTENDED, ""
    # Our policy refuses before it looks for the server; stock Nova has none for that path.
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
