"""One soak run: the load, a sample each minute, and the table at the end."""

import os
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lab.cloud import Cloud
from lab.layout import REPOSITORY, Layout
from lab.soak import judge, measure, table
from lab.soak.load import Load
from lab.soak.options import soak_options
from lab.soak.sample import Sample, Stage, from_json, to_json
from lab.soak.seat import NAME
from lab.soak.tenant import with_quota

# A quarter of the run, and no more than this: by then all pools are filled.
WARM_UP_MINUTES = 10.0
WARM_UP_PART = 4
# Before a sample without load: connections that are not used are closed, and passes end.
REST_SECONDS = 30.0
SAMPLES = "soak.json"
KEPT = REPOSITORY / "docs" / "bench-data" / "soak" / "samples.json"


class Run:
    """A run on one lab; :meth:`play` does all of it."""

    def __init__(self, layout: Layout, seed: int, minutes: float) -> None:
        self._layout = layout
        self._minutes = minutes
        self._load = Load(layout, seed)
        self._about = {
            "command": f"lab/run soak --minutes {minutes:g} --seed {seed}",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "cores": os.cpu_count(),
            "load_average": os.getloadavg(),
        }
        self._began = time.monotonic()
        self.samples: list[Sample] = []
        self.file = layout.state / SAMPLES

    def play(self) -> None:
        """Play the load for so many minutes, and delete its servers."""
        self._rest(Stage.START)
        self._began = time.monotonic()
        warm = min(WARM_UP_MINUTES, self._minutes / WARM_UP_PART)
        try:
            with self._load.running():
                self._sample_each_minute(warm)
                with self._load.paused():
                    self._rest(Stage.WARM)
                self._sample_each_minute(self._minutes)
                with self._load.paused():
                    self._rest(Stage.END)
        finally:
            self._load.delete_servers()
        self._rest(Stage.GONE)

    @property
    def answers(self) -> str:
        """The table of the answers that the load had."""
        return table.answers(self._load.tally.answers)

    @property
    def failures(self) -> list[str]:
        """What the load has met that must not happen."""
        return self._load.tally.failures

    def _sample_each_minute(self, until: float) -> None:
        while (now := self._minute()) < until:
            time.sleep(max(0.0, min(60 * (int(now) + 1 - now), 60 * (until - now))))
            self._take(Stage.LOAD)

    def _rest(self, stage: Stage) -> None:
        time.sleep(REST_SECONDS)
        self._take(stage)

    def _take(self, stage: Stage) -> None:
        minute = 0.0 if stage is Stage.START else self._minute()
        living = len(self._load.servers())
        one = measure.sample(self._layout, stage, minute, living, self._load.tally)
        self.samples.append(one)
        self.file.write_text(to_json(self.samples, self._about))
        print(progress(one, len(self.failures)), flush=True)

    def _minute(self) -> float:
        return (time.monotonic() - self._began) / 60


def progress(one: Sample, failures: int) -> str:
    """Return a sample as a line for the screen."""
    computes = [use for name, use in one.uses.items() if name.startswith("nova-compute")]
    return (
        f"{one.minute:>5.1f} min  {one.stage:<5}  {one.done.requests:>6} requests, "
        f"{one.done.adjustments} adjustments, {one.done.actions} operations, {failures} failures; "
        f"nova-compute: {sum(use.private_mb for use in computes):.0f} MiB, "
        f"{sum(use.threads for use in computes)} threads, "
        f"{sum(use.descriptors for use in computes)} descriptors; "
        f"{sum(one.rows.values())} rows"
    )


def run(layout: Layout, seed: int, minutes: float, *, keep: bool = False) -> int:
    """Run the load for so many minutes, and print what is not as it has to be.

    :param keep: the samples are those of the documentation from now on, and its picture is drawn
    :returns: the exit code: 1 if anything is wrong
    """
    print(f"soak: seed {seed}, {minutes:g} minutes", flush=True)
    with soak_options(layout):
        cloud = Cloud(layout)
        _delete_leftovers(cloud)
        played = Run(layout, seed, minutes)
        with with_quota(cloud, Cloud(layout, "demo", "demo")):
            played.play()
    print(f"\n{played.answers}\n\nThe samples are in {played.file}.", flush=True)
    if keep:
        _keep(played.file)
    return judged(played.samples, played.failures)


def again(file: Path) -> int:
    """Judge the samples of a file, which an earlier run has written, and return the exit code.

    What that run met that must not happen is not in the file.
    """
    samples, about = from_json(file.read_text())
    print(f"{about['command']}, {about['date']}")
    return judged(samples, [])


def judged(samples: Sequence[Sample], failures: Sequence[str]) -> int:
    """Print the table and what is wrong, and return the exit code: 1 if anything is."""
    findings = judge.judge(samples)
    wrong = [*failures, *judge.problems(findings)]
    print(f"\n{table.text(findings)}\n")
    for sentence in wrong:
        print(f"  {sentence}")
    print(f"{len(wrong)} things are wrong." if wrong else "All is within its bounds.")
    return 1 if wrong else 0


def _delete_leftovers(cloud: Cloud) -> None:
    """Delete the servers that an earlier run has left, of all projects."""
    for server in cloud.connection.compute.servers(all_projects=True, name=f"^{NAME}$"):
        cloud.delete(server.id)


def _keep(samples: Path) -> None:
    from lab.soak import picture

    KEPT.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(samples, KEPT)
    picture.draw(KEPT, REPOSITORY / "docs" / "images" / "soak.svg")
