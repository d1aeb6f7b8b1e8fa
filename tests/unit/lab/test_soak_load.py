"""The load of a soak run: its sequence, its threads, and what it takes for a failure."""

import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest

from lab.errors import LabError
from lab.soak import plan, run
from lab.soak import seat as seats
from lab.soak.asking import Asking
from lab.soak.load import Gate
from lab.soak.plan import Kind, Step
from lab.soak.sample import Stage
from lab.soak.seat import Place, Seat
from lab.soak.tally import Done, Tally
from tests.unit.lab import soak_cloud, soak_samples
from tests.unit.lab.soak_cloud import Cloud


def steps(seed: int, seat: int = 0, count: int = 400) -> list[Step]:
    return list(islice(plan.steps(seed, seat, plan.TENANT), count))


def test_a_seed_is_one_sequence_for_each_seat() -> None:
    assert steps(7) == steps(7)
    assert steps(7) != steps(8)
    assert steps(7) != steps(7, seat=1)


def test_each_kind_of_step_comes() -> None:
    assert {step.kind for step in steps(1)} == set(Kind) - {Kind.LOAD}
    scaled = islice(plan.steps(1, 4, plan.SCALED), 400)
    assert {step.kind for step in scaled} == set(plan.SCALED)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr(seats, "GUEST_SECONDS", 0.0)
    return Cloud()


@pytest.fixture
def asking(cloud: Cloud) -> Asking:
    return soak_cloud.asking(cloud)


@pytest.fixture
def seat(asking: Asking) -> Seat:
    made = Seat(Place("xloud.demo", "one"), asking)
    made.fill()
    return made


def play(seat: Seat, *kinds: Kind, vcpus: int = 2, chance: int = 0) -> None:
    for kind in kinds:
        seat.play(Step(kind, vcpus, 640, chance))


def test_what_was_admitted_is_counted(seat: Seat, asking: Asking) -> None:
    play(seat, Kind.ADJUST, Kind.FOR_NOW, Kind.FORCED, Kind.MIGRATE, Kind.HARD_REBOOT)
    play(seat, Kind.SOFT_REBOOT, Kind.STATUS, Kind.REPLACE)
    done = asking.tally.done
    # An action for each create, the move, both reboots and the delete.
    assert (done.servers, done.adjustments, done.actions, done.moves) == (2, 3, 6, 1)
    assert asking.tally.failures == []


def test_a_server_is_adjusted_while_it_is_stopped_or_paused(seat: Seat, cloud: Cloud) -> None:
    play(seat, Kind.STOP, Kind.PAUSE, chance=2)
    size = {"current_vcpus": 2, "current_memory_mb": 640}
    assert cloud.sent[1:] == ["os-stop", size, "os-start", "pause", size, "unpause"]


def test_a_stock_server_is_asked_for_memory_only(asking: Asking, cloud: Cloud) -> None:
    seat = Seat(Place("stock.small", "one"), asking)
    seat.fill()
    play(seat, Kind.ADJUST)
    assert cloud.sent[-1] == {"current_memory_mb": 640}


def test_a_refusal_is_counted_as_nothing_done_and_is_no_failure(
    seat: Seat, asking: Asking, cloud: Cloud
) -> None:
    cloud.statuses["adjust"] = 409
    play(seat, Kind.ADJUST)
    assert asking.tally.done.adjustments == 0
    assert asking.tally.answers["adjust", 409] == 1
    assert asking.tally.failures == []


@pytest.mark.parametrize(
    ("kind", "what", "status"),
    [
        (Kind.ADJUST, "adjust", 500),
        (Kind.ADJUST, "adjust", 503),
        (Kind.MALFORMED, "adjust", 202),
        (Kind.OUT_OF_BOUNDS, "adjust", 409),
        (Kind.OVER_QUOTA, "adjust", 202),
        (Kind.NOT_ALLOWED, "adjust", 202),
        (Kind.STATUS, "status", 503),
        (Kind.HARD_REBOOT, "reboot", 409),
    ],
)
def test_an_answer_that_must_not_come_is_a_failure(
    seat: Seat, asking: Asking, cloud: Cloud, kind: Kind, what: str, status: int
) -> None:
    cloud.statuses[what] = status
    play(seat, kind)
    (failure,) = asking.tally.failures
    assert f"was answered {status}" in failure


def test_a_migration_that_leaves_the_server_is_a_failure(
    seat: Seat, asking: Asking, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "host", lambda server: "one")
    play(seat, Kind.MIGRATE)
    assert "was not migrated from one to other" in asking.tally.failures[0]


def test_a_server_that_is_not_active_is_replaced(seat: Seat, asking: Asking, cloud: Cloud) -> None:
    assert seat.server is not None
    first = seat.server
    cloud.servers[first]["status"] = "ERROR"
    play(seat, Kind.STATUS)
    assert seat.server not in (None, first)
    assert first not in cloud.servers
    assert len(asking.tally.failures) == 1


def test_a_qemu_is_started_anew_before_it_has_had_too_many_vcpus(seat: Seat, cloud: Cloud) -> None:
    for _ in range(5):
        play(seat, Kind.ADJUST, vcpus=1)
        play(seat, Kind.ADJUST, vcpus=5)
    # Five times four more, and four more might come with the next step.
    assert "os-stop" not in cloud.sent
    play(seat, Kind.STATUS)
    assert Counter(map(str, cloud.sent))["os-stop"] == 1


def test_counts_are_taken_back() -> None:
    tally = Tally()
    tally.add(servers=1, actions=2)
    tally.add(actions=-1)
    assert tally.done == Done(servers=1, actions=1)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate(1)
    yield made
    made.end()


def test_a_closed_gate_is_passed_again_once_it_is_open(gate: Gate) -> None:
    turns = []
    seen = threading.Event()

    def loop() -> None:
        while gate.passed():
            turns.append(1)
            seen.set()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    assert seen.wait(60)
    gate.close(60)
    before = len(turns)
    seen.clear()
    assert len(turns) == before
    gate.open()
    assert seen.wait(60)
    gate.end()
    thread.join(60)
    assert not thread.is_alive()


def test_a_thread_that_does_not_come_to_the_gate_is_an_error(gate: Gate) -> None:
    with pytest.raises(LabError, match="does not come to an end"):
        gate.close(0.01)


def test_progress_is_one_line() -> None:
    line = run.progress(soak_samples.run(3, 1)[1], 0)
    assert line.startswith("  1.0 min  load ")
    assert "10 adjustments" in line
    assert "\n" not in line


def test_the_stages_come_in_order() -> None:
    stages = [one.stage for one in soak_samples.run(3, 1)]
    assert list(dict.fromkeys(stages)) == [
        Stage.START,
        Stage.LOAD,
        Stage.WARM,
        Stage.END,
        Stage.GONE,
    ]
