# SPDX-License-Identifier: Apache-2.0
"""Judges whether a cloud is ready for nova-xloud, and names the remedy if it is not.

The levels are those of oslo.upgradecheck. :mod:`nova_xloud.core.checks.services` judges the
services and APIs, and :mod:`nova_xloud.core.checks.flavors` the flavors.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from nova_xloud.core.checks.finding import Finding
from nova_xloud.core.remedies.findings import FINDINGS
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.minimums import ALL_SPECS, MEMORY_SPECS

# These filters compare an extra spec without a namespace with the metadata of the host's aggregate.
CLASHING_FILTERS = ("AggregateInstanceExtraSpecsFilter",)

# Options that services report, as people name them.
FILTERS = "[filter_scheduler] enabled_filters"
STATISTICS_PERIOD = "[libvirt] mem_stats_period_seconds"


class Level(enum.IntEnum):
    """How bad the outcome of a check is; the worst level of all checks is the exit code."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is not as it should be, or that is not known.

    :ivar level: ``WARNING`` or ``FAILURE``
    :ivar what: what is wrong or not known, with the value that was found
    :ivar remedy: what the operator can do about it: a clause, or whole sentences with their stops
    """

    level: Level
    what: str
    remedy: str

    def __str__(self) -> str:
        if self.remedy.endswith("."):
            return f"{self.what}. {self.remedy}"
        return f"{self.what}; {self.remedy}."


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of one check.

    :ivar seen: what was checked and found, for people; it is shown with and without issues
    :ivar issues: what is wrong; empty if the check succeeds
    """

    seen: str
    issues: tuple[Issue, ...] = ()

    @property
    def level(self) -> Level:
        """The worst level of the issues; ``SUCCESS`` without issues."""
        return max((issue.level for issue in self.issues), default=Level.SUCCESS)

    @property
    def details(self) -> str:
        """All issues as text, the worst first, and then ``seen``."""
        worst_first = sorted(self.issues, key=lambda issue: -issue.level)
        return " ".join([*(str(issue) for issue in worst_first), f"{self.seen}."])

    def and_also(self, more: Iterable[Issue]) -> Verdict:
        """Return a copy of the verdict that has the issues of ``more`` too."""
        return Verdict(self.seen, (*self.issues, *more))


@dataclass(frozen=True, slots=True)
class StoredFlavor:
    """A flavor as it is stored in Nova's database; its extra specs may have any value.

    :ivar name: the flavor's name
    :ivar maximum: the flavor's vCPUs and memory
    :ivar extra_specs: the flavor's extra specs
    :ivar memory_floor_mb: the least memory that the flavor may name as its minimum, MiB, by the
        options ``memory_floor_mb`` and ``memory_floor_percent`` of ``[xloud]``
    """

    name: str
    maximum: Size
    extra_specs: dict[str, str] = field(default_factory=dict)
    memory_floor_mb: int = 0

    def names_one_of(self, extra_specs: Collection[str]) -> bool:
        """Return whether the flavor has one of these extra specs."""
        return any(name in self.extra_specs for name in extra_specs)


def judge_release(found: str | None, is_supported: bool, supported: Sequence[str]) -> Verdict:
    """Judge whether the installed Nova was tested with this nova-xloud.

    A Nova that was not tested is only a warning, because :func:`judge_seams` judges whether it
    fits. It is a failure if no Nova is installed.

    :param found: the version of the installed Nova; None if none is installed
    :param is_supported: whether ``found`` is a supported release
    :param supported: the supported releases, which were tested
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
    """Judge whether Nova is as nova-xloud expects it where nova-xloud extends or calls it.

    Each misfit is a failure.

    :param misfits: one line for each such point of Nova that does not fit: where, what was
        expected, what was found
    """
    remedy = "install a nova-xloud that supports this Nova; nova-xloud-run refuses this one"
    return Verdict(
        "Checked every point where the Nova here is extended or called",
        tuple(Issue(Level.FAILURE, misfit, remedy) for misfit in misfits),
    )


def judge_filters(enabled: dict[str, Sequence[str]], flavors: Sequence[StoredFlavor]) -> Verdict:
    """Judge whether a scheduler's filter rejects hosts because of a minimum's extra spec.

    The filters of :data:`CLASHING_FILTERS` do so, and only for the names ``minimum_cpu`` and
    ``minimum_memory``, which have no namespace. It is a failure if such a filter is enabled and a
    flavor has such a name.

    :param enabled: the enabled filters by their source: ``nova-scheduler on host1``
    :param flavors: all flavors of the cloud
    """
    clashing = {
        whose: [name for name in filters if name in CLASHING_FILTERS]
        for whose, filters in enabled.items()
    }
    with_clash = [f"{whose} has {', '.join(names)}" for whose, names in clashing.items() if names]
    if not with_clash:
        return Verdict(f"No filter that clashes is enabled, as reported by {', '.join(enabled)}")
    unscoped = [name for name in ALL_SPECS if ":" not in name]
    seen = f"{'; '.join(with_clash)}: flavors have to name xloud:minimum_cpu, xloud:minimum_memory"
    short = [flavor.name for flavor in flavors if flavor.names_one_of(unscoped)]
    if not short:
        return Verdict(seen)
    what = f"Servers of the flavors {', '.join(short)} find no host: their minimum_cpu or "
    what += "minimum_memory is compared with the metadata of host aggregates"
    remedy = "name xloud:minimum_cpu and xloud:minimum_memory instead, and unset the short names"
    return Verdict(seen, (Issue(Level.FAILURE, what, remedy),))


def judge_balloons(
    periods: dict[str, int], silent: Sequence[str], here: int, flavors: Sequence[StoredFlavor]
) -> Verdict:
    """Judge whether guests get a balloon, without which their memory cannot be adjusted.

    A host that gives no balloon is a failure if a flavor names a minimum of memory, else a warning.
    A host that did not report the option is a warning too.

    :param periods: ``[libvirt] mem_stats_period_seconds`` by compute host, as each nova-compute
        reported it; no guest gets a balloon if it is not above 0
    :param silent: compute hosts that did not report the option
    :param here: the option in the nova.conf of this host, in seconds. It is assumed for the silent
        hosts, and for all hosts if ``periods`` is empty
    :param flavors: all flavors of the cloud
    """
    wanting = [flavor.name for flavor in flavors if flavor.names_one_of(MEMORY_SPECS)]
    issues = []
    # Nova gives no balloon for a negative period either.
    without = [f"nova-compute on {host}" for host, period in periods.items() if period <= 0]
    if (silent or not periods) and here <= 0:
        without.append("nova.conf here")
    if without:
        what = f"{STATISTICS_PERIOD} is 0 or less, as reported by {', '.join(without)}: "
        what += "no guest there gets a balloon"
        if wanting:
            what += f", and no server of {', '.join(wanting)} is placed there"
        remedy = "set it (Nova's default is 10); guests have a balloon from their next start on"
        issues.append(Issue(Level.FAILURE if wanting else Level.WARNING, what, remedy))
    if silent:
        what = f"nova-compute on {', '.join(silent)} did not report {STATISTICS_PERIOD}"
        remedy = f"look at the option in nova.conf there; in nova.conf of this host it is {here}"
        issues.append(Issue(Level.WARNING, what, remedy))
    told = [f"{period} on {host}" for host, period in periods.items()]
    seen = f"{STATISTICS_PERIOD} is {', '.join(told) or f'{here} in nova.conf here'}"
    return Verdict(seen, tuple(issues))


def judge_invariants(found: Sequence[Finding], elastic: int) -> Verdict:
    """Judge the findings of :func:`nova_xloud.core.checks.invariants.findings`.

    A broken rule is a failure, and the note ``guest_unknown`` is a warning. Other notes are left
    out.

    :param elastic: how many elastic instances were checked
    """
    by_code: dict[tuple[Level, str], list[Finding]] = {}
    for finding in found:
        # Any other note is about a guest that has just started, which passes by itself.
        if not finding.note or finding.code == "guest_unknown":
            level = Level.WARNING if finding.note else Level.FAILURE
            by_code.setdefault((level, finding.code), []).append(finding)
    issues = [
        Issue(level, f"{code}: {'; '.join(_about(f) for f in findings)}", FINDINGS[code].advice)
        for (level, code), findings in by_code.items()
    ]
    seen = f"{elastic} elastic instances were checked; nova-xloud-status invariants reports more"
    return Verdict(seen, tuple(issues))


def _about(finding: Finding) -> str:
    subject = f"instance {finding.instance}" if finding.instance else f"host {finding.host}"
    return f"{subject}: {finding.what}"
