# SPDX-License-Identifier: Apache-2.0
"""All policies that the back-test knows, by name, and how each of them is played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nova_xloud.backtest.baselines.clairvoyant import CLAIRVOYANT, CLAIRVOYANT_PAYING, Clairvoyant
from nova_xloud.backtest.baselines.fixed import FIXED_MAXIMUM, FIXED_MINIMUM
from nova_xloud.backtest.baselines.hyperv import HyperV
from nova_xloud.backtest.baselines.mom import Mom
from nova_xloud.backtest.baselines.neon import Neon
from nova_xloud.backtest.baselines.proxmox import Proxmox
from nova_xloud.backtest.baselines.senpai import Senpai
from nova_xloud.backtest.baselines.virtui import Virtui
from nova_xloud.backtest.baselines.vpa import Vpa
from nova_xloud.backtest.baselines.yesterday import Yesterday
from nova_xloud.backtest.demand import Demand
from nova_xloud.backtest.model import Pace, Played, play
from nova_xloud.backtest.ours import PROFILES, Ours
from nova_xloud.backtest.policy import HostPolicy, Policy
from nova_xloud.backtest.sharing import Arbitrated, FirstCome

# A policy that decides each machine for itself; one that decides all machines of a host together;
# one that knows the future and makes a plan.
AnyPolicy = Policy | HostPolicy | Clairvoyant

HOST_POLICIES: dict[str, HostPolicy] = {policy.name: policy for policy in (Proxmox(), Mom())}
_SINGLE: tuple[Policy | Clairvoyant, ...] = (
    *PROFILES,
    FIXED_MINIMUM,
    FIXED_MAXIMUM,
    CLAIRVOYANT,
    CLAIRVOYANT_PAYING,
    Yesterday(),
    Neon(),
    Vpa(),
    Virtui(),
    HyperV(),
    Senpai(),
)
SINGLE_POLICIES = {policy.name: policy for policy in _SINGLE}
POLICIES: dict[str, AnyPolicy] = {**SINGLE_POLICIES, **HOST_POLICIES}
# A name that stands for several policies.
GROUPS = {"ours": tuple(policy.name for policy in PROFILES), "all": tuple(POLICIES)}


class UnknownPolicy(Exception):
    """There is no policy of that name, or it cannot be played on a full host.

    The text names the policy, and the names that there are or what to do.
    """


def named(names: Sequence[str]) -> tuple[AnyPolicy, ...]:
    """Return the policies of ``names``, each once, in that order.

    A name of ``GROUPS``, that is ``ours`` or ``all``, stands for several policies.

    :raises UnknownPolicy: a name is not known
    """
    found: dict[str, AnyPolicy] = {}
    for name in names:
        for one in GROUPS.get(name, (name,)):
            if one not in POLICIES:
                raise UnknownPolicy(
                    f"there is no policy {one!r}; the names are {', '.join((*GROUPS, *POLICIES))}"
                )
            found[one] = POLICIES[one]
    return tuple(found.values())


def played(policy: Policy | Clairvoyant, demand: Demand, seed: int, pace: Pace) -> Played:
    """Play ``demand`` to ``policy``, and return the sizes and changes that result.

    :param seed: decides how old the machine's reports are
    :param pace: how often the policy is asked; one that knows the future is not asked
    """
    if isinstance(policy, Clairvoyant):
        return policy.plan(demand)
    return play(demand, policy, seed, pace)


def on_a_host(policy: AnyPolicy, weights: Mapping[str, int]) -> HostPolicy | None:
    """Return the form of ``policy`` for a host that has not room for the maxima of all machines.

    A policy that decides all machines of a host together is returned as it is. ``ours`` is joined
    with what nova-compute does on a full host: its arbitration decides which machines get how much.
    With any other policy that decides each machine for itself, machines get in turn what they ask
    for, or what is left on the host. The result is None for a policy that is fixed or knows the
    future: it cannot be played on such a host.

    :param weights: the weight of each machine in the arbitration, by the machine's name
    """
    if isinstance(policy, Clairvoyant) or policy in (FIXED_MINIMUM, FIXED_MAXIMUM):
        return None
    if isinstance(policy, Ours):
        return Arbitrated(policy, weights)
    if policy.name in HOST_POLICIES:
        return HOST_POLICIES[policy.name]
    single = SINGLE_POLICIES[policy.name]
    return None if isinstance(single, Clairvoyant) else FirstCome(single)
