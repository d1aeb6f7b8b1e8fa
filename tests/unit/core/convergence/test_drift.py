# SPDX-License-Identifier: Apache-2.0
"""Which instances a pass looks at, and how soon again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.convergence.drift import Drift, find_drift, pause_after
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.instance.lifecycle import Condition, Phase, Progress
from nova_xloud.core.size import Size

SIZE = Size(4, 2048)
THERE: dict[str, Any] = {
    "desired": Desired(SIZE, generation=1),
    "recorded": SIZE,
    "reserved": SIZE,
    "stats": DomainStats(True, 4, 2048, 7),
    "booting": False,
}
OFF = DomainStats(False, 8, 4096)


def found_in(**changes: Any) -> Drift | None:
    return find_drift(**{**THERE, **changes})


def why(**changes: Any) -> str | None:
    found = found_in(**changes)
    return None if found is None else found.why


def test_settled_instance_has_no_drift() -> None:
    assert why() is None


@pytest.mark.parametrize("stats", [None, OFF])
def test_drift_of_a_stopped_guest_counts_only_its_next_start(stats: DomainStats | None) -> None:
    assert why(stats=stats) is None


LIVE = Desired(SIZE, generation=1, live=Size(2, 1024))
REMOVING = Desired(SIZE, generation=1, removal_pending=3)
# More is held for it than it is to have now.
LARGE = Desired(Size(8, 4096), live=Size(2, 2048), generation=1)
UNSETTLED = Condition("RemovalUnsettled", True, "xloud.blocked.removal_unsettled", "", "")


def _claim(vcpus: int, memory_mb: int) -> dict[str, Any]:
    """Reserved, and recorded as such."""
    return {"reserved": Size(vcpus, memory_mb), "recorded": Size(vcpus, memory_mb)}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (_claim(5, 2048), "5 vCPUs, 2048 MiB are reserved and should be 4"),
        ({**_claim(4, 2047), "stats": OFF}, "4 vCPUs, 2047 MiB are reserved and should be 4"),
        (_claim(4, 2047), "the guest holds 4 vCPUs, 2048 MiB and 4 vCPUs, 2047 MiB are reserved"),
        (_claim(3, 2048), "the guest holds 4 vCPUs, 2048 MiB and 3 vCPUs, 2048 MiB are reserved"),
        ({"recorded": Size(4, 2049)}, "4 vCPUs, 2049 MiB are recorded and 4 vCPUs, 2048"),
        ({"recorded": Size(3, 2048)}, "3 vCPUs, 2048 MiB are recorded"),
        (
            {"desired": Desired(SIZE, generation=1, recorded_conditions=(UNSETTLED,))},
            "the condition RemovalUnsettled is recorded",
        ),
        ({**_claim(5, 2048), "reserved": SIZE}, "5 vCPUs, 2048 MiB are recorded"),
        ({"stats": DomainStats(True, 5, 2048)}, "holds 5 vCPUs, 2048 MiB and 4 vCPUs, 2048"),
        ({"stats": DomainStats(True, 3, 2048)}, "3 vCPUs and should have 4"),
        ({"stats": DomainStats(True, 4, 2049)}, "holds 4 vCPUs, 2049 MiB and 4 vCPUs, 2048"),
        ({"stats": DomainStats(True, 4, 2047)}, "2047 MiB and should have 2048"),
        ({"desired": LIVE, "stats": OFF}, "the guest has stopped"),
        ({"desired": LIVE, "stats": None}, "the guest has stopped"),
        ({"desired": REMOVING, "stats": OFF}, "the guest has stopped"),
        ({"stats": OFF, **_claim(5, 2048)}, "are reserved and should be"),
        ({"stats": None, "recorded": Size(5, 2048)}, "are recorded"),
        ({"booting": True, "stats": DomainStats(True, 5, 4096)}, "the guest holds 5 vCPUs"),
        ({"booting": True, "stats": DomainStats(True, 3, 4096)}, "3 vCPUs and should have 4"),
        (
            {"desired": LARGE, "reserved": LARGE.claim, "recorded": LARGE.claim},
            "the guest has 4 vCPUs and should have 2",
        ),
        (
            {"desired": LIVE, "stats": DomainStats(True, 2, 2048)},
            "the guest has 2048 MiB and should have 1024",
        ),
    ],
)
def test_each_reason_to_look(changes: dict[str, Any], reason: str) -> None:
    assert reason in str(why(**changes))


@pytest.mark.parametrize("phase", Phase)
def test_unreached_adjustment_is_drift(phase: Phase) -> None:
    desired = Desired(SIZE, generation=1, progress=Progress(phase, "xloud.whatever"))
    for stats in (THERE["stats"], OFF, None):
        found = why(desired=desired, stats=stats)
        if phase is Phase.CONVERGED:
            assert found is None
        else:
            assert found == f"its adjustment is {phase.value}"


def test_running_guest_should_have_its_live_size_and_the_claim_of_both() -> None:
    there = {
        "desired": LIVE,
        "stats": DomainStats(True, 2, 1024),
        "reserved": SIZE,
        "recorded": SIZE,
    }
    assert why(**there) is None
    assert "should have 2" in str(why(**{**there, "stats": DomainStats(True, 4, 1024)}))
    assert "should be 4 vCPUs, 2048 MiB" in str(why(**{**there, **_claim(2, 1024)}))


@pytest.mark.parametrize(
    "changes",
    [
        {**_claim(8, 4096), "stats": DomainStats(True, 8, 4096)},
        {**_claim(8, 4096), "stats": DomainStats(True, 4, 2049)},
        {**_claim(8, 4096), "stats": DomainStats(True, 5, 2048)},
        {**_claim(8, 4096), "stats": DomainStats(True, 2, 1024)},
        {"stats": DomainStats(True, 2, 1024)},
        {"stats": OFF, **_claim(8, 4096)},
        {"stats": None, **_claim(1, 1)},
    ],
)
def test_never_adjusted_instance_has_no_drift_while_it_is_claimed(
    changes: dict[str, Any],
) -> None:
    # It may have been started before nova-xloud was here, with more than it would boot with now.
    assert why(desired=Desired(SIZE), **changes) is None
    assert why(desired=Desired(SIZE, generation=1), **changes) is not None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stats": DomainStats(True, 4, 2049)}, "the guest holds 4 vCPUs, 2049 MiB"),
        ({"stats": DomainStats(True, 5, 2048)}, "the guest holds 5 vCPUs, 2048 MiB"),
        ({"stats": DomainStats(True, 5, 4096), "booting": True}, "the guest holds 5 vCPUs"),
        (_claim(8, 4096), "8 vCPUs, 4096 MiB are reserved and should be 4"),
        ({"recorded": Size(4, 1024)}, "4 vCPUs, 1024 MiB are recorded"),
        ({"reserved": Size(8, 4096)}, "8 vCPUs, 4096 MiB are reserved"),
        (
            {"desired": Desired(SIZE, recorded_conditions=(UNSETTLED,))},
            "the condition RemovalUnsettled is recorded",
        ),
        (
            {"desired": Desired(SIZE, progress=Progress(Phase.FAILED, "xloud.failed"))},
            "its adjustment is failed",
        ),
    ],
)
def test_never_adjusted_instance_drifts_when_claim_and_record_differ(
    changes: dict[str, Any], reason: str
) -> None:
    assert reason in str(why(**{"desired": Desired(SIZE), **changes}))
    assert why(desired=Desired(SIZE)) is None


def test_memory_on_its_way_to_the_balloon_after_a_start_is_no_reason() -> None:
    assert why(stats=DomainStats(True, 4, 4096), booting=True) is None
    assert why(stats=DomainStats(True, 4, 4096), booting=False) is not None


def test_removal_under_way_in_a_running_guest_is_drift_by_its_phase() -> None:
    running = replace(REMOVING, progress=Progress(Phase.ADMITTED, "xloud.admitted"))
    assert why(desired=running) == "its adjustment is admitted"


@pytest.mark.parametrize(
    ("attempts", "pause"),
    [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (8, 3600), (5000, 3600)],
)
def test_the_pause_doubles_up_to_the_longest(attempts: int, pause: float) -> None:
    assert pause_after(attempts, 60, 3600) == pause


@given(st.integers(1, 10**6), st.floats(0.1, 1e4), st.floats(0.1, 1e6))
def test_the_pause_never_shrinks_and_has_its_bound(
    attempts: int, first: float, longest: float
) -> None:
    pause = pause_after(attempts, first, longest)
    assert 0 < pause <= longest
    assert pause <= pause_after(attempts + 1, first, longest)


@pytest.mark.parametrize(
    "stats", [DomainStats(True, 5, 2048), DomainStats(True, 4, 2049)], ids=["vCPUs", "memory"]
)
@pytest.mark.parametrize(
    "desired", [Desired(SIZE), Desired(SIZE, generation=1, recorded_conditions=(UNSETTLED,))]
)
def test_more_held_than_reserved_is_urgent(desired: Desired, stats: DomainStats) -> None:
    found = found_in(desired=desired, stats=stats)
    assert found is not None
    assert "and 4 vCPUs, 2048 MiB are reserved" in found.why
    assert found.urgent


def test_nothing_else_is_urgent() -> None:
    smaller = found_in(stats=DomainStats(True, 3, 2048))
    assert smaller is not None
    assert not smaller.urgent
    more = found_in(**_claim(8, 4096))
    assert more is not None
    assert not more.urgent
    assert found_in(stats=DomainStats(True, 4, 4096), booting=True) is None


# --- the definition, pinned memory, other vm_states ------------------------------------------


@pytest.mark.parametrize("running", [True, False])
def test_a_definition_larger_than_the_claim_is_urgent(running: bool) -> None:
    stats = DomainStats(running, 4, 2048, 7 if running else None, defined=Size(5, 2048))
    found = found_in(stats=stats)
    assert found == Drift(
        "definition",
        "libvirt would start the guest with 5 vCPUs, 2048 MiB and 4 vCPUs, 2048 MiB are reserved",
        urgent=True,
    )


@pytest.mark.parametrize("defined", [Size(3, 2048), Size(4, 1024)], ids=str)
def test_another_definition_than_the_persisted_size_is_drift(defined: Size) -> None:
    found = found_in(stats=DomainStats(True, 4, 2048, 7, defined=defined))
    assert found is not None
    assert (found.code, found.urgent) == ("definition", False)


@pytest.mark.parametrize("defined", [SIZE, None], ids=str)
def test_the_persisted_size_or_no_definition_is_none(defined: Size | None) -> None:
    assert why(stats=DomainStats(True, 4, 2048, 7, defined=defined)) is None


def test_while_another_size_is_live_the_definition_is_the_persisted_one() -> None:
    there = {**THERE, "desired": LIVE, "reserved": SIZE, "recorded": SIZE}
    assert find_drift(**{**there, "stats": DomainStats(True, 2, 1024, 7, defined=SIZE)}) is None
    found = find_drift(**{**there, "stats": DomainStats(True, 2, 1024, 7, defined=Size(2, 1024))})
    assert found is not None
    assert found.code == "definition"


def test_never_adjusted_and_started_by_stock_nova_it_is_left_as_it_is() -> None:
    stock = {**_claim(8, 4096), "desired": Desired(SIZE)}
    assert why(**stock, stats=DomainStats(True, 8, 4096, 7, defined=Size(8, 4096))) is None


@pytest.mark.parametrize("booting", [True, False])
def test_pinned_memory_counts_with_its_maximum(booting: bool) -> None:
    found = found_in(stats=DomainStats(True, 4, 2048, 7, pinned_mb=4096), booting=booting)
    assert found is not None
    assert (found.code, found.urgent) == ("reserved_too_little", True)


ALARM = Condition("ReservedTooLittle", True, "xloud.reserved_too_little", "", "")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stats": DomainStats(True, 5, 2048, 7)}, "reserved_too_little"),
        ({"stats": DomainStats(True, 4, 2048, 7, defined=Size(5, 2048))}, "definition"),
        ({"desired": replace(THERE["desired"], recorded_conditions=(ALARM,))}, "condition"),
        ({"recorded": Size(3, 2048)}, "recorded"),
        ({"stats": DomainStats(True, 3, 1024, 7)}, None),
        ({**_claim(8, 4096)}, None),
        ({"stats": DomainStats(True, 4, 2048, 7, defined=Size(3, 2048))}, None),
        ({"stats": OFF, "desired": LIVE}, None),
        ({"desired": replace(THERE["desired"], progress=Progress(Phase.FAILED))}, None),
    ],
)
def test_one_that_is_not_driven_is_only_claimed_for(
    changes: dict[str, Any], code: str | None
) -> None:
    found = found_in(**changes, driven=False)
    assert (None if found is None else found.code) == code
