"""When a chaos run regards a cloud as recovered, and how daemons that ended are restarted."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import processes
from lab.chaos import checks
from lab.chaos import supervisor as supervising
from lab.chaos.checks import Asked, Checks, Judgement
from lab.chaos.supervisor import Supervisor
from lab.cloud import Answer, Size
from lab.errors import LabError
from lab.processes import Daemon
from lab.witnesses import Witnesses

SERVER = "server-1"
SMALL = Size(1, 512)
REPORT = "xloud-guest: cpus_online=1 ram_mib=1024 balloon_mib=512 held_mib=512 mem_total_kib=1 "


class Cloud:
    """A cloud with one server that has recovered, until a test changes something."""

    def __init__(self, state: Path) -> None:
        self.layout = SimpleNamespace(instances=state)
        (state / SERVER).mkdir()
        (state / SERVER / "console.log").write_text(
            REPORT + "mem_free_kib=1 uptime=1.00 guest=cooperative\n"
        )
        reported = (datetime.now(UTC) + timedelta(seconds=5)).replace(tzinfo=None).isoformat()
        self.service = SimpleNamespace(
            binary="nova-compute", host="compute1", state="up", updated_at=reported
        )
        compute = SimpleNamespace(services=lambda: [self.service])
        self.connection = SimpleNamespace(compute=compute)
        self.shown: dict[str, Any] = {
            "id": SERVER,
            "status": "ACTIVE",
            "OS-EXT-STS:task_state": None,
        }
        self.true = ["Converged"]
        self.desired = SMALL
        self.said = Witnesses(SMALL, SMALL, SMALL)
        self.results: list[str | None] | None = ["Success"]
        self.earlier = self.action("xloud_adjust", "Success")
        self.actions_answer = True

    def action(self, name: str, *results: str | None) -> dict[str, Any]:
        """An action with an event of a run for each result."""
        events = [{"event": "compute_xloud_adjust", "result": one} for one in results]
        return {"action": name, "events": events}

    def call(self, method: str, path: str) -> Answer:
        if path == "/servers/detail":
            return Answer(200, {"servers": [self.shown, {"id": "somebody else's"}]}, {})
        if not self.actions_answer:
            return Answer(500, {"computeFault": {"message": "no database"}}, {})
        if "?limit=" in path:
            return Answer(200, {"instanceActions": [{"request_id": "req-0"}]}, {})
        if path.endswith("/req-0"):
            return Answer(200, {"instanceAction": self.earlier}, {})
        if self.results is None:
            return Answer(404, {"itemNotFound": {"message": "no action"}}, {})
        events = [{"event": "compute_xloud_adjust", "result": one} for one in self.results]
        return Answer(200, {"instanceAction": {"action": "xloud_adjust", "events": events}}, {})

    def xloud_status(self, server: str) -> Answer:
        numbers = {
            "vcpus": {"desired": self.desired.vcpus},
            "memory_mb": {"desired": self.desired.memory_mb},
            "conditions": [{"type": name, "status": True} for name in self.true],
        }
        return Answer(200, {"xloud_status": numbers}, {})

    def claimed(self, server: str) -> Size | None:
        return self.said.placement

    def actuated(self, server: str) -> Size | None:
        return self.said.libvirt


class Rig:
    """The checks of that cloud; ``missing`` and ``verdict`` are what the tests set."""

    def __init__(self, state: Path) -> None:
        self.cloud = Cloud(state)
        self.missing: list[str] = []
        self.verdict = (0, "")
        daemon = Daemon("nova-compute-compute1", [], lambda: True)
        watches = SimpleNamespace(missing=lambda: self.missing, daemons={daemon.name: daemon})
        asks = SimpleNamespace(
            ask=lambda *more: SimpleNamespace(code=self.verdict[0], text=self.verdict[1])
        )
        asked = {SERVER: Asked({SMALL}, ["req-1"])}
        self.checks = Checks(self.cloud, asks, watches, asked)  # type: ignore[arg-type]

    def problems(self, explained: bool = False) -> str:
        return "\n".join(self.checks.problems(explained=explained))


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(processes, "started_at", lambda layout, daemon: time.time())
    return Rig(tmp_path)


def test_a_cloud_that_has_recovered_has_no_problem(rig: Rig) -> None:
    assert rig.problems() == ""


def test_a_request_with_nothing_to_do_has_no_action(rig: Rig) -> None:
    rig.cloud.results = None
    assert rig.problems() == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rig: rig.missing.append("nova-api"), "nova-api does not run"),
        (lambda rig: setattr(rig.cloud.service, "state", "down"), "nova-compute on compute1"),
        (
            lambda rig: setattr(rig.cloud.service, "updated_at", "2026-01-01T00:00:00"),
            "nova-compute on compute1",
        ),
        (lambda rig: rig.cloud.shown.update({"status": "ERROR"}), "status ERROR"),
        (
            lambda rig: rig.cloud.shown.update({"OS-EXT-STS:task_state": "powering-off"}),
            "task_state powering-off",
        ),
        (lambda rig: setattr(rig.cloud, "desired", Size(2, 512)), "which nobody asked for"),
        (lambda rig: setattr(rig.cloud, "results", [None]), "the action of req-1 has no end"),
        (lambda rig: setattr(rig.cloud, "results", []), "the action of req-1 has no end"),
        (
            lambda rig: setattr(
                rig.cloud, "earlier", rig.cloud.action("xloud_adjust", "Success", None)
            ),
            "an event of the action of req-0 has no end",
        ),
        (
            lambda rig: setattr(rig.cloud, "earlier", rig.cloud.action("reboot", "Success")),
            "or is another's",
        ),
        (lambda rig: setattr(rig.cloud, "actions_answer", False), "KeyError: 'instanceAction'"),
        (lambda rig: setattr(rig, "verdict", (1, "columns_differ")), "columns_differ"),
        (lambda rig: setattr(rig, "verdict", (2, "not read")), "not read"),
    ],
)
def test_each_thing_that_has_not_recovered_is_a_problem(rig: Rig, change: Any, words: str) -> None:
    change(rig)
    assert words in rig.problems(explained=True)


def test_service_whose_last_report_is_old_is_a_problem_though_nova_calls_it_up(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So it is after the database took no writes for 75 s: a request sent then met a host that was
    # down a moment later.
    monkeypatch.setattr(processes, "started_at", lambda layout, daemon: time.time() - 600)
    reported = datetime.now(UTC) - timedelta(seconds=45)
    rig.cloud.service.updated_at = reported.replace(tzinfo=None).isoformat()
    assert "nova-compute on compute1 is up, and silent" in rig.problems(explained=True)


def test_another_size_is_a_problem_until_a_condition_may_explain_it(rig: Rig) -> None:
    rig.cloud.said = Witnesses(SMALL, Size(2, 512), SMALL)
    assert "1 / 512 is desired" in rig.problems(explained=True)
    rig.cloud.true = ["GuestRefused"]
    assert "1 / 512 is desired" in rig.problems()
    assert rig.problems(explained=True) == ""


def test_cpus_that_the_guest_leaves_offline_explain_no_other_size(rig: Rig) -> None:
    rig.cloud.desired, rig.cloud.true = Size(2, 512), ["CpusNotOnline"]
    rig.checks.asked[SERVER].sizes.add(Size(2, 512))
    rig.cloud.said = Witnesses(Size(2, 512), Size(2, 512), SMALL)
    assert "2 / 512 is desired" in rig.problems()
    assert rig.problems(explained=True) == ""
    rig.cloud.said = Witnesses(Size(3, 512), Size(2, 512), SMALL)
    assert "2 / 512 is desired" in rig.problems(explained=True)


def test_reserved_too_little_explains_nothing(rig: Rig) -> None:
    rig.cloud.said = Witnesses(SMALL, Size(2, 512), SMALL)
    rig.cloud.true = ["Booting", "ReservedTooLittle"]
    assert "1 / 512 is desired" in rig.problems(explained=True)


def test_daemon_that_could_not_be_stopped_is_watched_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(layout: object, names: list[str]) -> None:
        raise LabError("it outlives SIGKILL")

    monkeypatch.setattr(processes, "stop", stop)
    watched = Supervisor(SimpleNamespace(), {})  # type: ignore[arg-type]
    with pytest.raises(LabError), watched.stopped("nova-api"):
        pass
    assert not watched._left_down


def verdict(*codes: str, unread: tuple[str, ...] = ()) -> tuple[int, str]:
    breaks = [{"code": code, "message": "what"} for code in codes]
    not_checked = [{"what": what, "remedy": "how"} for what in unread]
    return 1, json.dumps({"breaks": breaks, "not_checked": not_checked})


def test_only_the_columns_may_differ_while_a_fault_lasts(rig: Rig) -> None:
    rig.verdict = verdict("columns_differ")
    assert rig.checks.judge(blinded=False) == Judgement((), ())
    rig.verdict = verdict("columns_differ", "reserved_below_held")
    assert rig.checks.judge(blinded=False) == Judgement(("reserved_below_held: what",), ())


def test_what_the_checker_cannot_read_is_told(rig: Rig) -> None:
    rig.verdict = verdict("reserved_below_held", unread=("the guests of compute1",))
    found = rig.checks.judge(blinded=True)
    assert found == Judgement(("reserved_below_held: what",), ("the guests of compute1",))
    rig.verdict = (2, "Placement does not answer")
    found = rig.checks.judge(blinded=True)
    assert (found.broken, found.is_whole) == ((), False)
    assert "the checker failed: JSONDecodeError" in found.unread[0]


def test_checker_that_no_fault_blinds_is_asked_again_until_all_is_read(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            rig.verdict = verdict()

    monkeypatch.setattr(checks.time, "sleep", sleep)
    rig.verdict = verdict(unread=("the guests of compute1",))
    assert not rig.checks.judge(blinded=True).is_whole
    assert slept == []
    assert rig.checks.judge(blinded=False).is_whole
    assert len(slept) == 2


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which daemons were started, on a lab where none runs before."""
    names: list[str] = []
    monkeypatch.setattr(supervising, "RESTART_SECONDS", 0.05)
    monkeypatch.setattr(supervising, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(processes, "running", lambda layout: dict.fromkeys(names))
    monkeypatch.setattr(processes, "stop", lambda layout, gone: [names.remove(n) for n in gone])
    monkeypatch.setattr(
        processes, "start", lambda layout, daemons: names.extend(d.name for d in daemons)
    )
    return names


def awaited(started: list[str], expected: list[str]) -> None:
    until = time.monotonic() + 60
    while started != expected:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_daemon_that_ended_is_started_again_but_not_while_it_is_stopped(
    started: list[str],
) -> None:
    daemon = Daemon("nova-api", [], lambda: True)
    watched = Supervisor(SimpleNamespace(), {"nova-api": daemon})  # type: ignore[arg-type]
    with watched.watching():
        awaited(started, ["nova-api"])
        with watched.stopped("nova-api"):
            time.sleep(0.2)
            assert started == []
            assert watched.missing() == ["nova-api"]
        awaited(started, ["nova-api"])
    assert not [thread for thread in threading.enumerate() if thread.name == "supervisor"]
