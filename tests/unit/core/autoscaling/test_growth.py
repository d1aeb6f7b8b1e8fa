# SPDX-License-Identifier: Apache-2.0
"""What makes an instance grow, how far, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nova_xloud.core.autoscaling.growth import fitting_memory, fitting_vcpus, memory_reserve
from nova_xloud.core.autoscaling.settings import Range, Ranges
from nova_xloud.core.autoscaling.tuning import Tuning
from nova_xloud.core.size import Size
from tests.unit.core.autoscaling.guests import KERNEL_MB, PERIOD, RANGES, START, Guest

USUAL = Tuning()


@pytest.mark.parametrize(
    ("largest", "reserve"),
    [(512, 96), (1024, 128), (4096, 320), (16384, 1088), (65536, 2048), (1 << 20, 2048)],
)
def test_reserve_grows_with_the_largest_size_up_to_a_bound(largest: int, reserve: float) -> None:
    assert memory_reserve(largest, USUAL) == reserve


@pytest.mark.parametrize(
    ("need", "largest", "fitting"),
    [(0, 4096, 320), (1000, 4096, 1320), (2400, 4096, 3000), (8000, 16384, 10000)],
    ids=["idle", "the absolute reserve", "the share", "the share of much"],
)
def test_fitting_memory_has_the_larger_reserve(need: float, largest: int, fitting: float) -> None:
    assert fitting_memory(need, largest, USUAL) == pytest.approx(fitting)


@pytest.mark.parametrize(
    ("need", "vcpus"), [(0, 1), (0.1, 1), (0.75, 1), (0.76, 2), (1.5, 2), (3.0, 4), (3.1, 5)]
)
def test_fitting_vcpus_are_whole(need: float, vcpus: int) -> None:
    assert fitting_vcpus(need, USUAL) == vcpus


def test_memory_grows_from_the_first_sample_on() -> None:
    guest = Guest(size=Size(1, 512), need=450.0)
    decision = guest.step()
    assert decision.memory_mb.code == "grow.usable_low"
    assert decision.memory_mb.wanted == 450 + KERNEL_MB + 320
    assert decision.memory_mb.need == 450 + KERNEL_MB


def test_vcpus_grow_from_the_second_sample_on() -> None:
    guest = Guest(cpu=4.0)
    assert guest.step().vcpus.code.startswith("hold")
    assert [guest.step().vcpus.wanted for _ in range(3)] == [2, 4, 4]
    assert guest.step().vcpus.code == "hold.largest"


def test_growth_is_to_the_target_in_one_step() -> None:
    guest = Guest(size=Size(1, 4096), need=100.0, ranges=RANGES)
    guest.step()
    guest.size, guest.need = Size(1, 512), 480.0
    guest.swapped_out_mb += 2000.0
    decision = guest.step()
    assert decision.memory_mb.wanted > 2500


def test_memory_that_rises_fast_is_given_before_it_is_low() -> None:
    guest = Guest(size=Size(1, 2048), need=300.0)
    guest.step()
    guest.need = 1300.0
    decision = guest.step()
    assert decision.memory_mb.code == "grow.rising"
    assert not decision.is_urgent
    # 200 MiB a second for the 5 s that it has risen and 5 s more, and the reserve.
    assert decision.memory_mb.wanted == 1320 + 2000 + 320


def test_a_wish_for_cpu_is_not_urgent_and_little_memory_is() -> None:
    guest = Guest(cpu=1.0, need=300.0)
    guest.step()
    decision = guest.step()
    assert decision.vcpus.code == "grow.cpu_busy"
    assert not decision.is_urgent
    guest.need = 1000.0
    assert guest.step().is_urgent


@pytest.mark.parametrize(
    ("sign", "figures"),
    [
        ("swap_out", {"swapped_out_mb": 5.0}),
        ("major_faults", {"major_faults": 1500}),
        ("stalls", {"stalls": 1}),
        ("oom_kill", {"oom_kills": 1}),
    ],
)
def test_each_sign_of_distress_makes_memory_grow(sign: str, figures: dict[str, float]) -> None:
    guest = Guest(size=Size(1, 2048), need=1650.0)
    guest.run(30)
    before = guest.size.memory_mb
    guest.need = 0.85 * before
    decision = guest.step(**figures)
    assert sign in decision.memory_mb.votes
    assert sign in decision.memory_mb.vetoes
    assert decision.is_urgent
    assert decision.memory_mb.wanted >= before * 1.125
    assert decision.vcpus.code.startswith("hold")


@pytest.mark.parametrize(
    ("what", "figures"),
    [
        ("swap-out at less than 1 MiB/s", {"swapped_out_mb": 4.9}),
        ("faults at less than 100 a second", {"major_faults": 1499}),
        ("what is swapped in", {"swapped_in_mb": 500.0}),
    ],
    ids=str,
)
def test_less_than_distress_changes_nothing(what: str, figures: dict[str, float]) -> None:
    guest = Guest(size=Size(1, 2048), need=1400.0)
    guest.run(30)
    before = guest.size
    decision = guest.step(**figures)
    assert decision.size == before, what
    assert not decision.memory_mb.vetoes


@pytest.mark.parametrize(
    "figures",
    [{"swapped_out_mb": 6.0}, {"stalls": 9}],
    ids=["swap_out", "stalls"],
)
def test_distress_with_plenty_of_memory_only_vetoes(figures: dict[str, float]) -> None:
    guest = Guest(size=Size(1, 2048), need=300.0)
    guest.run(30)
    decision = guest.step(**figures)
    assert decision.memory_mb.wanted == 2048
    assert decision.memory_mb.vetoes


def test_many_major_faults_with_much_usable_are_no_distress() -> None:
    guest = Guest(size=Size(1, 2048), need=300.0)
    guest.run(30)
    assert not guest.step(major_faults=90000).memory_mb.vetoes


def test_one_report_of_distress_is_answered_once() -> None:
    guest = Guest(size=Size(1, 2048), need=1400.0)
    guest.run(30)
    first = guest.step(stalls=4)
    reported_at = guest.now
    assert first.memory_mb.wanted == 2304
    second = guest.step(stalls=4, reported_at=reported_at)
    assert second.memory_mb.wanted == 2304
    assert second.memory_mb.code == "hold.grown"


def test_what_is_swapped_out_is_needed_and_forgotten_slowly() -> None:
    guest = Guest(size=Size(1, 2048), need=1000.0, obeys=False)
    guest.run(30)
    guest.swapped_out_mb = 400.0
    assert guest.step().memory_mb.need == pytest.approx(1420.0)
    guest.run(300)
    assert guest.step().memory_mb.need == pytest.approx(1220.0, abs=5)
    assert guest.step(swapped_in_mb=500.0).memory_mb.need == pytest.approx(1020.0)


@pytest.mark.parametrize(
    ("stalls", "need"),
    [(3, 2048 * 1.2), (None, 2048 * 1.2), (0, 420 * 1.2)],
    ids=["of the guest", "of nobody knows whom", "of a limit within the guest"],
)
def test_oom_kill_lifts_the_need_once(stalls: int | None, need: float) -> None:
    guest = Guest(size=Size(1, 2048), need=400.0)
    guest.run(30, stalls=0 if stalls is not None else None)
    decision = guest.step(oom_kills=1, stalls=stalls)
    wanted = max(2048.0, fitting_memory(need, 4096, USUAL))
    assert decision.memory_mb.wanted == pytest.approx(wanted, abs=1)
    assert "oom_kill" in decision.memory_mb.votes
    after = guest.size
    assert guest.step(oom_kills=1, stalls=stalls).size == after
    guest.run(300, oom_kills=1, stalls=stalls)
    assert guest.size == after


def test_oom_kill_of_a_small_guest_lifts_the_need_by_100_mib() -> None:
    ranges = Ranges(Range(1, 1), Range(128, 1024))
    guest = Guest(size=Size(1, 256), need=60.0, ranges=ranges)
    guest.run(30)
    assert guest.step(oom_kills=1, stalls=9).memory_mb.wanted == 256 + 100 + 128


def test_oom_kill_is_seen_after_a_long_silence() -> None:
    guest = Guest(size=Size(1, 1024), need=400.0)
    guest.run(30)
    silent = {"usable_mb": None, "oom_kills": None, "reported_at": None, "stalls": None}
    guest.run(3000, **silent)
    assert guest.step(oom_kills=1, stalls=5).memory_mb.code == "grow.oom_kill"


def test_oom_kill_of_another_boot_says_nothing() -> None:
    guest = Guest(size=Size(1, 1024), need=400.0)
    guest.run(30)
    guest.boot_id = 2
    assert guest.step(oom_kills=1).memory_mb.wanted == 1024


def test_oom_kill_counts_without_other_figures() -> None:
    guest = Guest(size=Size(1, 1024), need=400.0)
    guest.run(30)
    decision = guest.step(oom_kills=1, stalls=None, usable_mb=None, reported_at=None)
    assert decision.memory_mb.code == "grow.oom_kill"


@pytest.mark.parametrize("ratio", [1.5, 2.0])
def test_vcpus_at_their_ceiling_are_multiplied(ratio: float) -> None:
    ranges = replace(RANGES, vcpus=Range(1, 64))
    tuning = replace(USUAL, cpu_ratio=ratio)
    guest = Guest(size=Size(8, 1024), cpu=60.0, ranges=ranges, tuning=tuning)
    guest.step()
    assert guest.step().vcpus.wanted == 8 * ratio


@pytest.mark.parametrize(("used", "grows"), [(1.79, False), (1.81, True)])
def test_vcpus_grow_from_nine_tenths_on(used: float, grows: bool) -> None:
    guest = Guest(size=Size(2, 1024), cpu=used, ranges=RANGES)
    guest.step()
    assert (guest.step().vcpus.wanted > 2) is grows


@pytest.mark.parametrize(
    ("used", "waited", "grows"),
    [
        (1.6, 0.35, True),  # what was given is used
        (1.5, 0.1, False),  # a fifth of the time is idle
        (1.49, 0.51, False),  # more vCPUs would wait as well
        (1.85, 0.1, True),
        (0.0, 0.0, False),
    ],
)
def test_time_that_the_host_did_not_give_is_not_idle(
    used: float, waited: float, grows: bool
) -> None:
    guest = Guest(size=Size(2, 1024), cpu=used)
    guest.step()
    guest.delay_seconds += waited * PERIOD
    assert (guest.step().vcpus.wanted > 2) is grows


def test_vcpus_that_wait_for_the_host_are_reported_and_not_multiplied() -> None:
    guest = Guest(size=Size(2, 1024), cpu=0.8)
    guest.step()
    for _ in range(5):
        guest.delay_seconds += 1.1 * PERIOD
        decision = guest.step()
    assert decision.vcpus.wanted == 2
    assert decision.vcpus.need == pytest.approx(1.9)
    assert "cpu_delay" in decision.vcpus.vetoes
    assert "58 % of the time wanted was not given" in decision.vcpus.reason


@pytest.mark.parametrize("step", [1, 2, 4])
def test_vcpus_grow_to_whole_steps(step: int) -> None:
    ranges = replace(RANGES, vcpus=Range(1, 12, step=step))
    guest = Guest(size=Size(3, 1024), cpu=12.0, ranges=ranges)
    guest.step()
    assert guest.step().vcpus.wanted == {1: 6, 2: 6, 4: 8}[step]


def test_memory_grows_to_whole_steps_or_the_largest_size() -> None:
    ranges = replace(RANGES, memory_mb=Range(500, 1900, step=256))
    guest = Guest(size=Size(1, 512), need=450.0, ranges=ranges)
    wanted = guest.step().memory_mb.wanted
    assert wanted % 256 == 0
    guest.need = 1800.0
    guest.until(lambda decision: decision.memory_mb.wanted == 1900, 3)


def test_the_figures_of_one_resource_do_not_keep_the_other() -> None:
    silent = {"available_mb": None, "usable_mb": None, "reported_at": None}
    guest = Guest(cpu=4.0)
    guest.run(30, **silent)
    assert guest.size == Size(4, 1024)
    blind = {"cpu_seconds": None, "delay_seconds": None}
    guest = Guest(size=Size(1, 512), need=1500.0)
    guest.run(30, **blind)
    assert guest.size.vcpus == 1
    assert guest.size.memory_mb > 1520


@pytest.mark.parametrize("resource", ["vcpus", "memory_mb"])
def test_a_blocked_resource_stays_and_the_other_grows(resource: str) -> None:
    blocked = replace(getattr(RANGES, resource), blocked="xloud.blocked.realtime")
    ranges = replace(RANGES, **{resource: blocked})
    guest = Guest(size=Size(1, 512), cpu=4.0, need=480.0, ranges=ranges)
    decision = guest.run(30)
    advice = getattr(decision, resource)
    assert advice.code == "hold.blocked"
    assert "xloud.blocked.realtime" in advice.reason
    assert getattr(guest.size, resource) == {"vcpus": 1, "memory_mb": 512}[resource]
    assert guest.size != Size(1, 512)


def test_what_is_below_the_smallest_size_is_lifted_to_it() -> None:
    guest = Guest(size=Size(1, 256), need=20.0)
    decision = guest.step()
    assert (decision.memory_mb.wanted, decision.memory_mb.code) == (512, "grow.minimum")


def test_growth_that_was_deferred_is_wanted_until_it_is_there() -> None:
    guest = Guest(size=Size(1, 512), need=480.0, obeys=False)
    first = guest.step()
    assert all(guest.step().memory_mb.wanted == first.memory_mb.wanted for _ in range(20))


def test_growth_on_its_way_is_not_multiplied() -> None:
    guest = Guest(size=Size(1, 1024), cpu=4.0, desired=Size(2, 1024), obeys=False)
    guest.run(30)
    assert guest.step().vcpus.wanted == 2


def test_memory_of_a_growing_balloon_is_not_taken_for_need() -> None:
    """The last report is of the smaller size, and the balloon has grown since."""
    guest = Guest(size=Size(1, 1024), need=800.0)
    guest.run(30)
    before = guest.history.memory.figures
    assert before is not None
    old = guest.sample()
    guest.size = Size(1, 2048)
    stale = {"available_mb": old.available_mb, "usable_mb": old.usable_mb}
    decision = guest.step(**stale, reported_at=guest.now + 0.1)
    assert decision.memory_mb.need == pytest.approx(before.need)
    assert decision.memory_mb.wanted == 2048


def test_time_is_that_of_the_call() -> None:
    guest = Guest()
    assert guest.step().at == guest.now == START + PERIOD


def test_a_need_that_comes_back_is_no_need_that_rises() -> None:
    guest = Guest(size=Size(1, 2048), tuning=USUAL, obeys=False)
    guest.need = 480.0
    guest.step(1.0)
    # A compiler takes 90 MiB for a second, and frees them: 90 MiB/s for 15 s would not fit.
    for need in (390.0, 480.0, 400.0, 482.0, 390.0):
        guest.need = need
        decision = guest.step(1.0)
        assert decision.memory_mb.votes == ()


def test_a_need_above_what_it_was_lately_rises() -> None:
    guest = Guest(size=Size(1, 2048), tuning=USUAL, obeys=False)
    for need in (480.0, 390.0, 600.0):
        guest.need = need
        decision = guest.step(1.0)
    figures = guest.history.memory.figures
    assert figures is not None
    # 120 MiB above the crest of two seconds ago.
    assert figures.trend == pytest.approx(60.0)
    assert decision.memory_mb.votes == ()
    guest.need = 800.0
    assert guest.step(1.0).memory_mb.votes == ("rising",)


def test_what_was_higher_is_forgotten_after_the_horizon() -> None:
    guest = Guest(size=Size(1, 2048), tuning=USUAL, obeys=False)
    for need in (480.0, *[300.0] * 16, 400.0):
        guest.need = need
        guest.step(1.0)
    figures = guest.history.memory.figures
    assert figures is not None
    assert figures.trend == pytest.approx(100.0)


def test_a_page_cache_that_fills_is_no_need_that_rises() -> None:
    guest = Guest(size=Size(1, 768), need=300.0, cache=0.0, tuning=USUAL, obeys=False)
    guest.step(1.0)
    for _ in range(4):
        # Linux counts half of a small cache as not usable.
        guest.need, guest.cache = guest.need + 25.0, guest.cache + 50.0
        assert guest.step(1.0).memory_mb.votes == ()
    guest.need += 60.0
    assert guest.step(1.0).memory_mb.votes == ("rising",)


@pytest.mark.parametrize(("cpu_seconds", "grows"), [(2.0, False), (500.0, True)])
def test_a_guest_that_is_new_boots(cpu_seconds: float, grows: bool) -> None:
    guest = Guest(cpu=4.0, cpu_seconds=cpu_seconds)
    guest.step()
    assert (guest.step().vcpus.wanted > 1) is grows
    assert guest.run(USUAL.boot_grace + 2 * PERIOD).vcpus.wanted == 4
