# SPDX-License-Identifier: Apache-2.0
"""Every safety rule by name: what it protects from, and how to do without it.

To do without one, one function or attribute is replaced by one that lacks the rule. Those that
Placement's and Nova's databases keep for us are replaced in their fakes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from nova_xloud.compute import admit, converge, execute, finish, host, observe, reconcile
from nova_xloud.compute.reconcile import Reconciler
from nova_xloud.core.convergence import balloon, next_step
from nova_xloud.core.convergence.steps import RunState
from nova_xloud.core.instance.state import InstanceState
from nova_xloud.testing.fake_ports import FakeClaims, FakeRecord
from tests.simulator import without
from tests.simulator.schedule import Lock
from tests.simulator.server import Server


@dataclass(frozen=True)
class Rule:
    """One safety rule.

    :ivar protects_from: what happens without it
    :ivar shows_as: part of what is said of a history in which it does
    :ivar seen_at: the seed of a history in which it did; any other does as well
    :ivar off: the block in which it is not kept
    """

    name: str
    protects_from: str
    shows_as: str
    seen_at: int
    off: Callable[[], AbstractContextManager[Any]]


def instead(thing: object, name: str, other: object) -> Callable[[], AbstractContextManager[Any]]:
    """``thing.name`` is ``other`` for a while."""
    return lambda: mock.patch.object(thing, name, other)


RULES = (
    Rule(
        "claim before desired",
        "a refused request has changed what is desired",
        "was refused, and was written",
        3,
        instead(admit, "_commit", without.record_before_claim),
    ),
    Rule(
        "claim given back",
        "a request that a user's operation has overtaken keeps its claim",
        "was refused, and is still claimed",
        30,
        instead(admit, "_give_back", lambda *args: None),
    ),
    Rule(
        "given back no further",
        "a refused request releases what a balloon told before takes after all",
        " holds ",
        4252,
        instead(admit, "_give_back", without.give_back_all),
    ),
    Rule(
        "re-check on conflict",
        "the claim of an instance that is being moved is overwritten",
        "being moved, was overwritten",
        4349,
        instead(admit, "change_claim", without.change_claim_unasked),
    ),
    Rule(
        "not too late",
        "an adjustment is admitted whose caller has given up",
        "after nobody waited for the answer",
        158,
        instead(host, "admit", without.admit_however_late),
    ),
    Rule(
        "admitted only when idle",
        "a user's operation is overwritten",
        "being moved, was overwritten",
        108,
        instead(admit, "check_adjustable", lambda view: None),
    ),
    Rule(
        "claim follows what is observed",
        "memory that a guest takes is never reserved",
        "are reserved",
        51,
        instead(next_step, "next_step", without.next_step_without_claim),
    ),
    Rule(
        "release only what was seen gone",
        "less is reserved than a guest holds that gives nothing back",
        "is released",
        2,
        instead(InstanceState, "minimum_claim", property(lambda state: state.desired.claim)),
    ),
    Rule(
        "what QEMU has counts",
        "vCPUs are released that the guest's agent says are offline",
        "is released",
        44,
        instead(InstanceState, "held", property(without.held_by_agents_word)),
    ),
    Rule(
        "no release while it boots",
        "memory is released that the balloon has not taken yet",
        "is released",
        0,
        instead(InstanceState, "minimum_claim", property(without.minimum_claim_while_booting)),
    ),
    Rule(
        "not persisted, still reserved",
        "a guest starts with its persisted size, and others have the room",
        "starts with",
        250,
        instead(InstanceState, "needed", property(without.needed_for_the_target)),
    ),
    Rule(
        "removal written first",
        "after a crash in an unplug a vCPU is added, and QEMU ends",
        "has ended QEMU",
        61,
        instead(next_step, "next_step", without.next_step_without_mark),
    ),
    Rule(
        "no addition while a removal is unsettled",
        "a vCPU is added after an unplug that timed out, and QEMU ends",
        "has ended QEMU",
        61,
        without.add_regardless,
    ),
    Rule(
        "an earlier removal's mark stays",
        "an unplug that timed out, and is refused when it is tried again, counts as settled",
        "has ended QEMU",
        2108,
        instead(execute, "_set_vcpus", without.set_vcpus_as_if_first),
    ),
    Rule(
        "fresh reading at each step",
        "what the guest had at the first step is released at the last",
        " holds ",
        21,
        without.observe_guest_once,
    ),
    Rule(
        "stand back for an operation",
        "a guest is told something in the middle of a user's operation",
        "was overwritten",
        148,
        instead(converge, "observe_or_yield", without.observe_regardless),
    ),
    Rule(
        "instance lock",
        "two of us act on what both have read before",
        "what was asked of",
        48,
        instead(Lock, "within", lambda lock, seconds: contextlib.nullcontext()),
    ),
    Rule(
        "consumer generation",
        "somebody else's claim is overwritten",
        "being moved, was overwritten",
        243,
        instead(FakeClaims, "_check_generation", lambda claims, current: None),
    ),
    Rule(
        "record only when idle",
        "the record is written under a user's operation",
        "and its record was written",
        11,
        instead(FakeRecord, "_check_idle", lambda record: None),
    ),
    Rule(
        "claim read before record",
        "the claim of an instance that is being resized is overwritten",
        "being moved, was overwritten",
        148,
        without.observe_record_first_everywhere,
    ),
    Rule(
        "undisturbed reading",
        "a guest that was read while an operation had it off counts as off when that is over",
        "is released",
        156,
        instead(observe, "_is_undisturbed", lambda before, after: True),
    ),
    Rule(
        "what is defined counts",
        "others have the room that a soft reboot or a rescue starts the guest with",
        "is released",
        9,
        without.definition_does_not_count,
    ),
    Rule(
        "unrescued with what is desired",
        "unrescue starts a guest as it was before what was asked only until it stopped",
        "starts with",
        523,
        instead(Server, "unrescued", lambda server: server.unrescue),
    ),
    Rule(
        "claim spent by a call to the guest",
        "the claim on the target of a live migration is overwritten, that came in the call",
        "was read before its guest was called",
        45,
        without.observe_to_call_and_claim,
    ),
    Rule(
        "guests in ERROR are followed",
        "memory that the guest of an instance in ERROR takes is never reserved",
        "no alarm stands",
        1430,
        instead(reconcile, "is_followed", lambda one, stats: reconcile.is_driven(one)),
    ),
    Rule(
        "a refused release ends the run",
        "Placement is asked again and again for what it has just refused",
        "was written",
        220,
        instead(converge._Run, "_execute", without.execute_and_try_again),
    ),
    Rule(
        "no waiting for who holds the lock",
        "callers and workers wait for a volume that takes minutes",
        "kept waiting by an operation",
        46,
        without.wait_for_the_lock,
    ),
    Rule(
        "memory floor",
        "a guest is made smaller than it needs, and dies of it",
        "has died of it",
        41,
        instead(balloon, "_shrink", without.shrink_by_force),
    ),
    Rule(
        "fresh statistics",
        "the floor is of a guest that had more",
        "has died of it",
        292,
        instead(RunState, "has_fresh_statistics", lambda told, guest: True),
    ),
    Rule(
        "bounded balloon steps",
        "a guest that needs more meanwhile dies in a long step",
        "has died of it",
        363,
        instead(balloon, "_shrink", without.shrink_at_once),
    ),
    Rule(
        "balloon told once a run",
        "a balloon goes on to what it was told before, past what is reserved",
        " holds ",
        422,
        instead(balloon, "step", without.step_unless_there),
    ),
    Rule(
        "released half way only if told",
        "memory is released that a balloon told before takes after all",
        " holds ",
        0,
        instead(finish, "_release_what_came_back", without.release_as_if_the_target_was_set),
    ),
    Rule(
        "reconcile pass",
        "what a crash left is never finished",
        "could hold",
        8,
        instead(Reconciler, "run", lambda reconciler: 0),
    ),
    Rule(
        "the pass looks at the guest",
        "memory that a guest takes is never reserved",
        "no alarm stands",
        47,
        instead(reconcile, "find_drift", without.find_drift_without_the_guest),
    ),
)


def rule(name: str) -> Rule:
    """The rule of that name.

    :raises KeyError: there is none
    """
    return {one.name: one for one in RULES}[name]
