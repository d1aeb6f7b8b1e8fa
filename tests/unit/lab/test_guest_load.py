# SPDX-License-Identifier: Apache-2.0
"""The program of a guest's load, here on a terminal of this machine, and what it reports."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.guest import load, program
from lab.guest.load import Distress, Load, LoadReport
from lab.layout import Layout
from lab.patience import Patience

PATIENCE_SECONDS = 20
LINE = (
    b"xloud-load: command=7 workers=5 taken_mib=600 cache_mib=3 files=2 killed=1 oom_kills=1"
    b" swap_in_kib=4 swap_out_kib=2048 stalls=6 stalled_ms=700 major_faults=8 available_kib=2048"
    b" swap_used_kib=1024 cpu_ms=9330 uptime=18.31\r\n"
)


class Terminal:
    """A load program that runs here, and the other side of its terminal."""

    def __init__(self, built: Path, first: Load, disk: Path) -> None:
        self.side, console = pty.openpty()
        words = [str(built), first.words().replace(" ", ","), str(disk)]
        self.process = subprocess.Popen(words, stdin=console, stdout=console)
        os.close(console)
        self.said = b""

    def tell(self, line: str) -> None:
        os.write(self.side, line.encode() + b"\n")

    def wait(self, wanted: Callable[[LoadReport], bool]) -> LoadReport:
        """Return the first report from now on that is as wanted."""
        patience = Patience(PATIENCE_SECONDS)
        seen = len(load.reports(self.said))
        while not patience.is_over():
            if select.select([self.side], [], [], 0.1)[0]:
                self.said += os.read(self.side, 4096)
            for report in load.reports(self.said)[seen:]:
                seen += 1
                if wanted(report):
                    return report
        raise AssertionError(self.said.decode())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.side)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("load")
    lab = Layout(folder)
    lab.make_folders()
    program.build(lab, folder / "xloud-load")
    return folder / "xloud-load"


@pytest.fixture
def terminal(built: Path, tmp_path: Path) -> Iterator[Terminal]:
    disk = tmp_path / "disk"
    disk.touch()
    os.truncate(disk, 8 << 20)
    made = Terminal(built, load.IDLE, disk)
    yield made
    made.end()


def test_last_report_is_the_last_complete_line() -> None:
    older = LINE.replace(b"command=7", b"command=6")
    noise = b"[   12.5] xloud-load: command=8 workers=1\n"
    report = load.last_report(older + LINE + noise + LINE[:40])
    assert report == LoadReport(
        command=7,
        workers=5,
        taken_mb=600,
        cached_mb=3,
        files=2,
        distress=Distress(1, 1, 4, 2048, 6, 700),
        major_faults=8,
        available_mb=2.0,
        swap_used_mb=1.0,
        cpu_seconds=9.33,
        uptime=18.31,
    )
    assert [one.command for one in load.reports(older + LINE)] == [6, 7]
    assert load.last_report(noise) is None


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Load(), "idle"),
        (Load(burners=4), "cpu=4x100"),
        (Load(memory_mb=600, memory_rate=200), "memory=600@200"),
        (Load(memory_rate=50), "memory=0@50"),
        (
            Load(1, 50, 2, 3, 4, 5, 6, 7),
            "cpu=1x50 memory=2@3 cache=4@5 build=6x7",
        ),
    ],
)
def test_load_is_written_as_words(wanted: Load, words: str) -> None:
    assert wanted.words() == words
    assert wanted.argument() == "xloud.load=" + words.replace(" ", ",")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"burners": -1}, "negative"),
        ({"burners": 40, "jobs": 23}, "62 workers"),
        ({"percent": 101}, "100 %"),
    ],
    ids=str,
)
def test_impossible_load_is_refused(fields: dict[str, int], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Load(**fields)


def test_distress_is_counted_from_an_earlier_report() -> None:
    assert not Distress(0, 0, 5, 0, 6, 700).is_harm()
    before, after = Distress(1, 1, 4, 2048, 6, 700), Distress(1, 2, 4, 2048, 9, 800)
    assert after.since(before) == Distress(0, 1, 0, 0, 3, 100)
    assert after.since(before).is_harm()
    assert not before.since(before).is_harm()


def test_command_is_obeyed_once_and_not_echoed(terminal: Terminal) -> None:
    terminal.wait(lambda report: report.command == 0)
    terminal.tell("load 1 cpu=2x10")
    assert terminal.wait(lambda report: report.command == 1).workers == 2
    terminal.tell("load 1 cpu=9x10")
    assert terminal.wait(lambda report: report.command == 1).workers == 2
    terminal.tell("load 2 idle")
    assert terminal.wait(lambda report: report.command == 2).workers == 0
    assert b"load 1 cpu" not in terminal.said


def test_command_with_unknown_words_changes_nothing(terminal: Terminal) -> None:
    terminal.tell("load 1 cpu=1x10")
    terminal.wait(lambda report: report.command == 1)
    terminal.tell("load 2 cpu=1x10 tea=1")
    said = "command 2 is not understood"
    assert terminal.wait(lambda _: said in load.errors(terminal.said)).command == 1


def test_memory_is_taken_and_freed_at_the_rate(terminal: Terminal) -> None:
    terminal.tell("load 1 memory=60@30")
    began = time.monotonic()
    terminal.wait(lambda report: report.taken_mb == 60)
    # It never takes more than its rate, however busy this machine is.
    assert time.monotonic() - began > 1.5
    terminal.tell("load 2 memory=10@200")
    terminal.wait(lambda report: report.taken_mb == 10)
    terminal.tell("load 3 idle")
    assert terminal.wait(lambda report: report.command == 3).taken_mb == 0


def test_burner_wants_its_percentage_and_no_more(terminal: Terminal) -> None:
    def used() -> float:
        folder = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children")
        (burner,) = folder.read_text().split()
        fields = Path(f"/proc/{burner}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    terminal.tell("load 1 cpu=1x20")
    terminal.wait(lambda report: report.command == 1)
    began, before = time.monotonic(), used()
    patience = Patience(PATIENCE_SECONDS)
    while used() - before < 0.2:
        assert not patience.is_over()
        time.sleep(0.05)
    assert (used() - before) / (time.monotonic() - began) < 0.3


def test_cache_reads_the_disk_and_a_build_makes_files(terminal: Terminal) -> None:
    terminal.tell("load 1 cache=8@100 build=1x4")
    terminal.wait(lambda report: report.cached_mb == 8)
    terminal.wait(lambda report: report.files >= 1)


def test_killed_worker_is_reported(terminal: Terminal) -> None:
    terminal.tell("load 1 memory=5")
    terminal.wait(lambda report: report.taken_mb == 5)
    folder = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children")
    (worker,) = folder.read_text().split()
    os.kill(int(worker), 9)
    report = terminal.wait(lambda report: report.distress.killed == 1)
    assert (report.taken_mb, report.workers) == (0, 0)
