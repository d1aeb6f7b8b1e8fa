# SPDX-License-Identifier: Apache-2.0
"""Judges whether automatic growth can work in a cloud, where anything asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_xloud.core.autoscaling.mode import MODE_SPEC, mode_of, problems
from nova_xloud.core.autoscaling.settings import Mode
from nova_xloud.core.checks.services import Service
from nova_xloud.core.checks.upgrade_check import Issue, Level, StoredFlavor, Verdict
from nova_xloud.core.sizing.minimums import ALL_SPECS

# The option that compute hosts report, as people name it.
AUTOSCALE = "[xloud] autoscale"
# The first RPC version in which nova-conductor checks quotas for compute hosts.
CHECKS_GROWTH_SINCE = (1, 6)


def judge_autoscale(
    modes: Mapping[str, str],
    here: str,
    conductors: Sequence[Service],
    flavors: Sequence[StoredFlavor],
) -> Verdict:
    """Judge whether servers that are to be scaled automatically can be.

    It is a warning if a compute host has another mode than this host, if a flavor asks for
    automatic growth and names no minimum, if an extra spec of automatic growth of a flavor has a
    value that is not allowed, or if a nova-conductor cannot check quotas for compute hosts or did
    not report its version. There is no failure, because nothing but automatic growth
    suffers.

    The conductors are judged only if the option or a flavor asks for automatic growth. Requests may
    ask for it too, server by server, but what they ask for is not read.

    :param modes: ``[xloud] autoscale`` (``off``, ``observe`` or ``on``) by compute host, as each
        nova-compute reported it
    :param here: the same option in the nova.conf of this host
    :param conductors: all nova-conductors, with what they reported
    :param flavors: all flavors of the cloud
    """
    scaled = [flavor for flavor in flavors if _is_scaled(flavor)]
    asked = bool(scaled) or any(mode != Mode.OFF.value for mode in (here, *modes.values()))
    issues = [*_differing(modes, here), *_without_minimum(scaled), *_unusable(flavors)]
    if asked:
        issues += _conductors(conductors)
    seen = f"{AUTOSCALE} is {here} in nova.conf here, and {len(scaled)} of {len(flavors)} flavors "
    return Verdict(f"{seen}ask for automatic growth", tuple(issues))


def _is_scaled(flavor: StoredFlavor) -> bool:
    return mode_of(flavor.extra_specs.get(MODE_SPEC)) in (Mode.ON, Mode.OBSERVE)


def _differing(modes: Mapping[str, str], here: str) -> list[Issue]:
    others = [f"{mode} on {host}" for host, mode in modes.items() if mode != here]
    if not others:
        return []
    what = f"{AUTOSCALE} is {here} in nova.conf here, and {', '.join(others)}"
    remedy = "set the same value for all services, or else a server's mode depends on its host"
    return [Issue(Level.WARNING, what, remedy)]


def _without_minimum(scaled: Sequence[StoredFlavor]) -> list[Issue]:
    stock = [flavor.name for flavor in scaled if not flavor.names_one_of(ALL_SPECS)]
    if not stock:
        return []
    what = f"The flavors {', '.join(stock)} have {MODE_SPEC} and name no minimum, so their servers "
    what += "are not scaled before they are adjusted once"
    remedy = f"name minimum_cpu or minimum_memory in the flavors, or unset {MODE_SPEC} there"
    return [Issue(Level.WARNING, what, remedy)]


def _unusable(flavors: Sequence[StoredFlavor]) -> list[Issue]:
    found = []
    for flavor in flavors:
        if told := problems(flavor.extra_specs):
            what = f"flavor {flavor.name}: {'; '.join(told)}"
            remedy = "correct or unset the extra spec; until then it counts as not set"
            found.append(Issue(Level.WARNING, what, remedy))
    return found


def _conductors(conductors: Sequence[Service]) -> list[Issue]:
    unable = [one.host for one in conductors if not _checks_growth(one)]
    if not unable:
        return []
    what = f"nova-conductor on {', '.join(unable)} cannot check quotas for compute hosts, so "
    what += "growth that it is asked about is deferred (xloud.growth_deferred.quota_unknown)"
    remedy = "install this nova-xloud or a later one there, and start it with nova-xloud-run"
    return [Issue(Level.WARNING, what, remedy)]


def _checks_growth(service: Service) -> bool:
    if service.about is None:
        return False
    parts = service.about.rpc_version.split(".")
    if not all(part.isdigit() for part in parts):
        return False
    return tuple(map(int, parts)) >= CHECKS_GROWTH_SINCE
