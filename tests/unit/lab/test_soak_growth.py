"""The soak run's server that scales by itself, and what is judged of the journals."""

import dataclasses
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab import contents
from lab.errors import NotSettled
from lab.layout import REPOSITORY
from lab.soak import bounds, journal, options, run
from lab.soak import seat as seats
from lab.soak.growth import BYTES_PER_MIB, CHANGES
from lab.soak.judge import judge, problems
from lab.soak.plan import LOADS, VCPUS, Kind, Step
from lab.soak.sample import Sample, Stage, from_json, to_json
from lab.soak.seat import Place, Seat
from lab.soak.tally import Tally
from nova_xloud.compute.autoscaling.journal import JournalFiles
from nova_xloud.core.autoscaling.history import EMPTY
from nova_xloud.core.autoscaling.journal import Checkpoint
from nova_xloud.core.autoscaling.settings import Profile
from nova_xloud.core.autoscaling.tuning import TUNINGS
from tests.unit.lab import soak_samples
from tests.unit.lab.soak_cloud import Cloud, asking

JOURNAL = soak_samples.JOURNALS[0]
LIMIT = bounds.JOURNAL_MB * BYTES_PER_MIB
KEPT = REPOSITORY / "docs" / "bench-data" / "soak" / "samples.json"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr(seats, "GUEST_SECONDS", 0.0)
    monkeypatch.setattr(seats, "LOAD_SECONDS", 0.0)
    return Cloud()


@pytest.fixture
def seat(cloud: Cloud) -> Seat:
    made = Seat(Place(contents.SOAK.name, "one", image=contents.LOAD_IMAGE), asking(cloud))
    made.fill()
    return made


class Guest:
    """The loads of all guests: what they were given; ``is_silent`` if no guest answers."""

    def __init__(self) -> None:
        self.given: list[object] = []
        self.is_silent = False

    def __call__(self, cloud: object, server: str) -> Any:
        return SimpleNamespace(set=self._set)

    def _set(self, wanted: object) -> None:
        if self.is_silent:
            raise NotSettled("the guest did not answer")
        self.given.append(wanted)


@pytest.fixture
def guest(monkeypatch: pytest.MonkeyPatch) -> Guest:
    made = Guest()
    monkeypatch.setattr(seats, "GuestLoad", made)
    return made


def play(seat: Seat, kind: Kind, chance: int = 0) -> None:
    seat.play(Step(kind, 2, 640, chance))


def tally(seat: Seat) -> Tally:
    return seat._asking.tally


def test_each_load_is_given_to_the_guest_and_counted(seat: Seat, guest: Guest) -> None:
    for chance in range(len(LOADS)):
        play(seat, Kind.LOAD, chance)
    assert guest.given == list(LOADS)
    done = tally(seat).done
    assert (done.loads, done.scaled, done.servers, done.adjustments) == (len(LOADS), 1, 1, 0)
    assert tally(seat).answers[Kind.LOAD.value, seats.OBEYED] == len(LOADS)


def test_guest_that_does_not_answer_is_no_failure(seat: Seat, guest: Guest) -> None:
    guest.is_silent = True
    play(seat, Kind.LOAD)
    assert tally(seat).failures == []
    assert tally(seat).done.loads == 0
    assert tally(seat).answers[Kind.LOAD.value, seats.SILENT] == 1


def test_person_is_answered_409_while_the_server_grows(
    seat: Seat, cloud: Cloud, guest: Guest
) -> None:
    play(seat, Kind.LOAD)
    cloud.statuses["adjust"] = 409
    play(seat, Kind.ADJUST)
    assert tally(seat).failures == []
    assert tally(seat).done.adjustments == 0


def test_qemu_is_started_anew_before_growth_has_given_it_too_many_vcpus(
    seat: Seat, cloud: Cloud, guest: Guest
) -> None:
    for _ in range(5):
        play(seat, Kind.LOAD)
    assert "os-stop" not in cloud.sent
    play(seat, Kind.LOAD)
    assert "os-stop" in cloud.sent


def test_load_wants_no_more_vcpus_than_a_person_asks_for() -> None:
    fill = TUNINGS[Profile.BALANCED].cpu_fill
    wanted = [one.burners * one.percent / 100 + one.jobs for one in LOADS]
    assert max(wanted) / fill < max(VCPUS)


def test_refused_server_is_no_scaled_server(seat: Seat, cloud: Cloud) -> None:
    seat.empty()
    cloud.statuses["create"] = 500
    play(seat, Kind.STATUS)
    assert (tally(seat).done.servers, tally(seat).done.scaled) == (1, 1)


def test_folder_begins_with_files_that_leave_room_for_the_one_that_is_written(
    tmp_path: Path,
) -> None:
    (tmp_path / "journal").mkdir()
    (tmp_path / "journal" / "autoscale.jsonl").write_text("of a run before")
    journal.fill(tmp_path / "journal")
    found = journal.read(tmp_path / "journal")
    assert (found.files, found.earlier, found.put_away) == (journal.EARLIER_FILES,) * 2 + (0,)
    left = LIMIT - LIMIT // 4 - found.size
    # More than the lines of a round, and less than a compressed file.
    assert 3 * 1090 < left < LIMIT // 4 // 16


def test_journal_of_nova_compute_removes_the_files_of_before(tmp_path: Path) -> None:
    journal.fill(tmp_path)
    files = JournalFiles(tmp_path, bounds.JOURNAL_MB, itertools.count(1_700_000_000).__next__)
    # A sixteenth is left of these bytes, as of lines.
    full = random.Random(1).randbytes(LIMIT // 4 // 16).ljust(LIMIT // 4, b"\n")
    for _ in range(4):
        (tmp_path / journal.CURRENT).write_bytes(full)
        files.write([Checkpoint("a", EMPTY)], list)
        files.close()
    found = journal.settled(tmp_path)
    assert (found.put_away, found.earlier, found.plain) == (4, journal.EARLIER_FILES - 2, 0)
    assert found.size <= LIMIT


def test_folder_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert journal.read(tmp_path / "none") == journal.Journal()


def test_file_that_is_being_compressed_counts_once(tmp_path: Path) -> None:
    plain = tmp_path / "autoscale-20261130T120000Z-000001.jsonl"
    plain.write_bytes(bytes(100))
    (tmp_path / f"{plain.name}.part").write_bytes(bytes(10))
    assert journal.read(tmp_path) == journal.Journal(size=100, files=1, plain=1)


def test_compression_that_is_going_on_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = tmp_path / "autoscale-20261130T120000Z-000001.jsonl"
    plain.write_bytes(bytes(100))

    def compressed(seconds: float) -> None:
        plain.rename(plain.with_name(f"{plain.name}.gz"))

    monkeypatch.setattr(journal, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=compressed))
    assert journal.settled(tmp_path) == journal.Journal(size=100, files=1, put_away=1)
    plain.write_bytes(bytes(100))
    assert journal.settled(tmp_path, seconds=0).plain == 1


def test_each_host_has_its_own_journal(tmp_path: Path) -> None:
    layout: Any = SimpleNamespace(
        computes=[SimpleNamespace(hostname=name, root=tmp_path / name) for name in ("a", "b")]
    )
    journal.fill(journal.folder(layout.computes[0]))
    found = journal.journals(layout)
    assert found["journal of a: files"] == journal.EARLIER_FILES
    assert found["journal of b: bytes"] == 0


Change = Callable[[Sample], Sample]


def with_host(what: str, value: Callable[[Sample], int]) -> Change:
    return lambda one: replace(one, host={**one.host, what: value(one)})


def wrong(change: Change, minutes: int = 24) -> list[str]:
    return problems(judge(soak_samples.run(minutes, min(6, minutes // 2), change)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            with_host(f"{JOURNAL}: bytes", lambda one: LIMIT + (one.minute == 9)),
            f"The {JOURNAL} had {LIMIT + 1} bytes, and autoscale_journal_mb allows {LIMIT}.",
        ),
        (
            with_host(f"{JOURNAL}: files not compressed", lambda one: int(one.minute == 9)),
            f"1 files of the {JOURNAL} were put away and not compressed.",
        ),
        (with_host(CHANGES, lambda one: 3), "Automatic growth has changed no server."),
        (
            soak_samples.rows(**{soak_samples.ADJUSTMENTS: lambda one: 3 * one.done.scaled}),
            f"{soak_samples.ADJUSTMENTS} has",
        ),
    ],
    ids=["a byte too many", "a plain file", "nothing changed", "a third action of a server"],
)
def test_journal_or_growth_that_is_not_as_promised_is_found(change: Change, words: str) -> None:
    (problem,) = wrong(change)
    assert problem.startswith(words)


def without_rotation(one: Sample) -> Sample:
    names = [f"{name}: files of this run" for name in soak_samples.JOURNALS]
    return replace(one, host={**one.host, **dict.fromkeys(names, 0)})


def test_run_in_which_no_journal_file_was_full_has_tried_nothing() -> None:
    assert wrong(without_rotation) == ["No file of a journal was full, so nothing was tried."]
    assert wrong(without_rotation, minutes=4) == []


def test_two_actions_of_automatic_growth_for_each_scaled_server_are_explained() -> None:
    more = {name: lambda one: 2 * one.done.scaled for name in (soak_samples.ADJUSTMENTS,)}
    assert wrong(soak_samples.rows(**more)) == []


def test_run_of_before_is_judged_without_the_rows_of_growth() -> None:
    def old(one: Sample) -> Sample:
        host = {name: n for name, n in one.host.items() if "journal" not in name}
        return replace(one, host={name: n for name, n in host.items() if name != CHANGES})

    text = to_json(soak_samples.run(leak=old), {"command": ""})
    data = json.loads(text)
    for one in data["samples"]:
        del one["done"]["scaled"], one["done"]["loads"]
    samples, _ = from_json(json.dumps(data))
    assert all(one.done.scaled == 0 for one in samples)
    assert problems(judge(samples)) == []
    assert not any("journal" in one.what for one in judge(samples))


def test_the_samples_of_the_documentation_are_judged_as_they_were(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run.again(KEPT) == 0
    assert "All is within its bounds." in capsys.readouterr().out


def test_samples_say_how_many_servers_and_loads_there_were() -> None:
    one = soak_samples.run(3, 1)[-1]
    assert one.stage is Stage.GONE
    assert {"scaled", "loads"} <= dataclasses.asdict(one)["done"].keys()


def test_options_of_a_soak_are_set_while_the_block_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = SimpleNamespace(
        hostname="one", root=tmp_path / "one", nova_conf=tmp_path / "compute.conf"
    )
    files = [tmp_path / "nova" / "nova.conf", compute.nova_conf]
    files[0].parent.mkdir()
    before = "[DEFAULT]\nhost = one\n\n[xloud]\nboot_grace = 10\n"
    for file in files:
        file.write_text(before)
    layout: Any = SimpleNamespace(etc=tmp_path, computes=[compute])
    texts = []

    def start(layout: object, daemons: object) -> None:
        texts.append([file.read_text() for file in files])

    monkeypatch.setattr(options.processes, "start", start)
    monkeypatch.setattr(options, "_services", lambda layout: [])
    monkeypatch.setattr(options, "Cloud", lambda layout: SimpleNamespace(connection=None))
    monkeypatch.setattr(options.lifecycle, "wait_for_nova", lambda layout, connection: None)
    with options.soak_options(layout):
        assert journal.read(tmp_path / "one" / "soak-journal").earlier == journal.EARLIER_FILES
    within, after = texts
    wanted = ("executor_thread_pool_size = 16\n", "boot_grace = 10\n", "autoscale = observe\n")
    assert all(each in text for text in within for each in wanted)
    assert ["autoscale_journal_mb = 1\n" in text for text in within] == [False, True]
    assert f"autoscale_journal = {tmp_path}/one/soak-journal\n" in within[1]
    assert after == [before] * 2
