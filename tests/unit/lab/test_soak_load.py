"""The load of a soak run: its sequence, its threads, and what it takes for a failure."""

import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.cloud import Answer
from lab.errors import LabError
from lab.soak import plan, pools, run
from lab.soak import seat as seats
from lab.soak.asking import Asking
from lab.soak.load import Gate
from lab.soak.plan import Kind, Step
from lab.soak.sample import Stage
from lab.soak.seat import Place, Seat
from lab.soak.tally import Done, Tally
from tests.unit.lab import soak_samples


def steps(seed: int, seat: int = 0, count: int = 400) -> list[Step]:
    return list(islice(plan.steps(seed, seat, plan.TENANT), count))


def test_a_seed_is_one_sequence_for_each_seat() -> None:
    assert steps(7) == steps(7)
    assert steps(7) != steps(8)
    assert steps(7) != steps(7, seat=1)


def test_each_kind_of_step_comes() -> None:
    assert {step.kind for step in steps(1)} == set(Kind)


class Cloud:
    """A cloud that does all that it is asked for, unless a test has it answer otherwise."""

    def __init__(self) -> None:
        computes = [SimpleNamespace(hostname=name) for name in ("one", "other")]
        self.layout = SimpleNamespace(computes=computes, instances=Path("no guest says anything"))
        self.servers: dict[str, dict[str, Any]] = {}
        self.statuses: dict[str, int] = {}
        self.sent: list[Any] = []

    def ask_for_server(self, name: str, flavor: str, host: str | None = None) -> Answer:
        server = f"server-{len(self.sent)}"
        self.sent.append("create")
        self.servers[server] = {"status": "ACTIVE", "OS-EXT-STS:task_state": None, "host": "one"}
        return self._answer("create", 202, {"server": {"id": server}})

    def call(self, method: str, path: str) -> Answer:
        server = path.rpartition("/")[2]
        if method == "DELETE":
            self.sent.append("delete")
            self.servers.pop(server)
            return self._answer("delete", 204)
        if server not in self.servers:
            return Answer(404, None, {})
        return self._answer("show", 200, {"server": self.servers[server]})

    def act(self, server: str, action: str, arguments: object = None) -> Answer:
        self.sent.append(action)
        becomes = {"os-stop": "SHUTOFF", "pause": "PAUSED"}.get(action, "ACTIVE")
        self.servers[server]["status"] = becomes
        if action == "os-migrateLive" and isinstance(arguments, dict):
            self.servers[server]["host"] = arguments["host"]
        return self._answer(action, 202)

    def adjust(self, server: str, body: object) -> Answer:
        self.sent.append(body)
        return self._answer("adjust", 202 if server in self.servers else 404)

    def xloud_status(self, server: str) -> Answer:
        return self._answer("status", 200)

    def host(self, server: str) -> str:
        return str(self.servers[server]["host"])

    def wait_status(self, server: str, wanted: str, seconds: float) -> None:
        if self.servers[server]["status"] != wanted:
            raise LabError(f"{server} is in ERROR")

    def wait(self, what: str, probe: Any, seconds: float) -> None:
        assert probe()

    def _answer(self, what: str, status: int, body: object = None) -> Answer:
        return Answer(self.statuses.get(what, status), body, {})


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr(seats, "GUEST_SECONDS", 0.0)
    return Cloud()


@pytest.fixture
def asking(cloud: Cloud) -> Asking:
    return Asking(cloud, Tally())  # type: ignore[arg-type]


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


def test_small_pools_are_set_while_the_block_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "nova" / "nova.conf", tmp_path / "compute.conf"]
    files[0].parent.mkdir()
    for file in files:
        file.write_text("[DEFAULT]\nhost = one\n")
    layout: Any = SimpleNamespace(etc=tmp_path, computes=[SimpleNamespace(nova_conf=files[1])])
    texts = []

    def start(layout: object, daemons: object) -> None:
        texts.append([file.read_text() for file in files])

    monkeypatch.setattr(pools.processes, "start", start)
    monkeypatch.setattr(pools, "_services", lambda layout: [])
    monkeypatch.setattr(pools, "Cloud", lambda layout: SimpleNamespace(connection=None))
    monkeypatch.setattr(pools.lifecycle, "wait_for_nova", lambda layout, connection: None)
    with pools.small_pools(layout):
        pass
    within, after = texts
    assert all("executor_thread_pool_size = 16\n" in text for text in within)
    assert after == ["[DEFAULT]\nhost = one\n"] * 2
