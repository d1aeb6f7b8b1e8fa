# SPDX-License-Identifier: Apache-2.0
"""Whether a cloud is ready for nova-xloud: what was read of it, judged, with the remedy.

Levels are those of oslo.upgradecheck. What a service says of itself is in :mod:`.services`.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from nova_xloud.core.checks.finding import REMEDIES, Finding
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.minimums import ALL_SPECS, MEMORY_SPECS, read_minimums

# They take an extra spec without a namespace for something that a host's aggregate has to say.
CLASHING_FILTERS = ("AggregateInstanceExtraSpecsFilter",)

# Options that services are asked for, as people name them.
FILTERS = "[filter_scheduler] enabled_filters"
STATISTICS_PERIOD = "[libvirt] mem_stats_period_seconds"


class Level(enum.IntEnum):
    """The worst of all is the exit code."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is not as it should be, or is not known.

    :ivar what: names the thing and its value
    :ivar remedy: what to do about it
    """

    level: Level
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check.

    :ivar seen: what was looked at, for people; said in any case
    """

    seen: str
    issues: tuple[Issue, ...] = ()

    @property
    def level(self) -> Level:
        return max((issue.level for issue in self.issues), default=Level.SUCCESS)

    @property
    def details(self) -> str:
        """All of it, the worst first."""
        worst_first = sorted(self.issues, key=lambda issue: -issue.level)
        return " ".join([*(str(issue) for issue in worst_first), f"{self.seen}."])

    def and_also(self, more: Iterable[Issue]) -> Verdict:
        return Verdict(self.seen, (*self.issues, *more))


@dataclass(frozen=True, slots=True)
class StoredFlavor:
    """A flavor as Nova has it stored, however it came there.

    :ivar memory_floor_mb: the least memory that it may name as its minimum, by the options
    """

    name: str
    maximum: Size
    extra_specs: dict[str, str] = field(default_factory=dict)
    memory_floor_mb: int = 0

    def names_one_of(self, extra_specs: Collection[str]) -> bool:
        return any(name in self.extra_specs for name in extra_specs)


def judge_release(found: str | None, is_supported: bool, supported: Sequence[str]) -> Verdict:
    """Whether the Nova here is one that was tested. Whether it fits is for :func:`judge_seams`.

    :param found: version of the Nova installed here; None: none
    :param supported: the releases that were tested
    """
    if found is not None and is_supported:
        return Verdict(f"Nova {found} is installed here")
    tested = f"Nova {', '.join(supported)} were tested with this nova-xloud"
    if found is None:
        remedy = "install a release that was tested"
        return Verdict(tested, (Issue(Level.FAILURE, "no Nova is installed here", remedy),))
    what = f"Nova {found} is installed here, and was not tested"
    remedy = (
        "it is used if the check of seams succeeds; a later nova-xloud may have been tested with it"
    )
    return Verdict(tested, (Issue(Level.WARNING, what, remedy),))


def judge_seams(misfits: Sequence[str]) -> Verdict:
    """:param misfits: a line a seam: where, what was expected, what was found"""
    remedy = "install a nova-xloud that serves this Nova; nova-xloud-run refuses it"
    return Verdict(
        "Looked at is every point where the Nova here is extended or called",
        tuple(Issue(Level.FAILURE, misfit, remedy) for misfit in misfits),
    )


def judge_flavors(flavors: Sequence[StoredFlavor]) -> Verdict:
    """Whether the minimums that flavors name are possible."""
    issues = []
    for flavor in flavors:
        floor = flavor.memory_floor_mb
        problems = read_minimums(flavor.extra_specs, flavor.maximum, floor).problems
        if problems:
            what = f"flavor {flavor.name}: {'; '.join(problems)}"
            remedy = "correct or unset it; until then no server can be created with the flavor"
            issues.append(Issue(Level.FAILURE, what, remedy))
    elastic = sum(flavor.names_one_of(ALL_SPECS) for flavor in flavors)
    return Verdict(f"{elastic} of {len(flavors)} flavors name a minimum", tuple(issues))


def judge_filters(enabled: dict[str, Sequence[str]], flavors: Sequence[StoredFlavor]) -> Verdict:
    """Whether a scheduler's filter finds no host because of our extra specs.

    :param enabled: filters, by whose they are: ``nova-scheduler on host1``
    """
    clashing = {
        whose: [name for name in filters if name in CLASHING_FILTERS]
        for whose, filters in enabled.items()
    }
    with_clash = [f"{whose} has {', '.join(names)}" for whose, names in clashing.items() if names]
    if not with_clash:
        return Verdict(f"No filter that clashes is enabled, says {', '.join(enabled)}")
    unscoped = [name for name in ALL_SPECS if ":" not in name]
    seen = f"{'; '.join(with_clash)}: flavors have to name xloud:minimum_cpu, xloud:minimum_memory"
    short = [flavor.name for flavor in flavors if flavor.names_one_of(unscoped)]
    if not short:
        return Verdict(seen)
    what = f"Servers of the flavors {', '.join(short)} find no host: their minimum_cpu or "
    what += "minimum_memory is taken for something that an aggregate says"
    remedy = "name xloud:minimum_cpu and xloud:minimum_memory instead, and unset the short names"
    return Verdict(seen, (Issue(Level.FAILURE, what, remedy),))


def judge_balloons(
    periods: dict[str, int], silent: Sequence[str], here: int, flavors: Sequence[StoredFlavor]
) -> Verdict:
    """Whether guests get a balloon, and with it memory that can be adjusted.

    :param periods: ``STATISTICS_PERIOD`` by the compute host that says so
    :param silent: compute hosts that do not say it
    :param here: the same option in the configuration of this host
    """
    wanting = [flavor.name for flavor in flavors if flavor.names_one_of(MEMORY_SPECS)]
    issues = []
    # Nova takes a negative one for none too.
    without = [f"nova-compute on {host}" for host, period in periods.items() if period <= 0]
    if (silent or not periods) and here <= 0:
        without.append("nova.conf here")
    if without:
        what = f"{STATISTICS_PERIOD} is 0, says {', '.join(without)}: no guest there gets a balloon"
        if wanting:
            what += f", and no server of {', '.join(wanting)} is placed there"
        remedy = "set it, Nova's default is 10; guests have a balloon from their next start on"
        issues.append(Issue(Level.FAILURE if wanting else Level.WARNING, what, remedy))
    if silent:
        what = f"nova-compute on {', '.join(silent)} did not say {STATISTICS_PERIOD}"
        issues.append(Issue(Level.WARNING, what, f"it is {here} in nova.conf here; look there"))
    told = [f"{period} on {host}" for host, period in periods.items()]
    seen = f"{STATISTICS_PERIOD} is {', '.join(told) or f'{here} in nova.conf here'}"
    return Verdict(seen, tuple(issues))


def judge_invariants(found: Sequence[Finding], elastic: int) -> Verdict:
    """:param elastic: how many instances were looked at"""
    by_code: dict[tuple[Level, str], list[Finding]] = {}
    for finding in found:
        # Another note is of a guest that has just started: that passes.
        if not finding.note or finding.code == "guest_unknown":
            level = Level.WARNING if finding.note else Level.FAILURE
            by_code.setdefault((level, finding.code), []).append(finding)
    issues = [
        Issue(level, f"{code}: {'; '.join(_about(f) for f in findings)}", REMEDIES[code])
        for (level, code), findings in by_code.items()
    ]
    seen = f"{elastic} elastic instances were looked at; nova-xloud-status invariants says more"
    return Verdict(seen, tuple(issues))


def _about(finding: Finding) -> str:
    subject = f"instance {finding.instance}" if finding.instance else f"host {finding.host}"
    return f"{subject}: {finding.what}"
