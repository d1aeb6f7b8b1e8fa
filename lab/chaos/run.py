"""One chaos run: prepares the lab, creates the servers, plays the rounds and prints the table."""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from lab import contents, lifecycle
from lab.chaos import faults, points, schedule, table
from lab.chaos.checks import NOT_ANSWERED, Asked, Checks
from lab.chaos.daemons import in_chaos
from lab.chaos.fault import Fault
from lab.chaos.play import Play
from lab.chaos.requests import Requests
from lab.chaos.supervisor import Supervisor
from lab.chaos.table import Trial
from lab.checker import checker
from lab.cloud import Cloud, Size
from lab.errors import LabError
from lab.layout import Layout

NAME = "xloud-chaos"
IMAGE = "xloud-panics"
SERVERS = 3


def all_faults() -> dict[str, Fault]:
    """Return every fault by name."""
    return {fault.name: fault for fault in (*faults.FAULTS, *points.faults())}


def run(layout: Layout, seed: int, minutes: float, only: Sequence[str] = ()) -> int:
    """Break the cloud for so many minutes, and print a table.


    :param only: the names of the faults, or parts of names, to try; empty: all
    :returns: the exit code: 1 if a check has failed, or if no fault took place
    """
    chosen = _chosen(only)
    print(f"chaos: seed {seed}, {minutes:g} minutes, {len(chosen)} faults", flush=True)
    trials: list[Trial] = []
    played: list[schedule.Round] = []
    try:
        with in_chaos(layout) as daemons, checker(layout) as asks:
            cloud = Cloud(layout)
            lifecycle.wait_for_nova(layout, cloud.connection)
            supervisor = Supervisor(layout, daemons)
            with supervisor.watching(), _servers(cloud) as servers:
                asked = {server: Asked({Size(*schedule.SIZES[0])}) for server in servers}
                checks = Checks(cloud, asks, supervisor, asked)
                play = Play(checks, Requests(cloud, servers, asked), chosen, played)
                for trial in play.rounds(seed, minutes * 60):
                    trials.append(trial)
    finally:
        print(f"\n{table.text(trials)}", flush=True)
    broken = [trial for trial in trials if trial.violations]
    for trial in broken:
        print(f"\n{trial.fault}:\n  " + "\n  ".join(trial.violations))
    if broken:
        print("\nThe sequence was:\n" + "\n".join(str(one) for one in played))
        again = ["lab/run", "chaos", "--seed", str(seed), "--minutes", f"{minutes:g}", *only]
        print(f"To play the same sequence again: {shlex.join(again)}")
    if not any(trial.took_place for trial in trials):
        print("\nNothing was tried: no fault took place in this time.")
        return 1
    return 1 if broken else 0


def _chosen(only: Sequence[str]) -> dict[str, Fault]:
    known = all_faults()
    chosen = {
        name: fault
        for name, fault in known.items()
        if not only or any(part in name for part in only)
    }
    if not chosen:
        raise LabError(f"no fault is named {' or '.join(only)}; there are: {', '.join(known)}")
    return chosen


@contextmanager
def _servers(cloud: Cloud) -> Iterator[list[str]]:
    """Create the servers, on each of the hosts in turn, and delete them after the block."""
    hosts = [compute.hostname for compute in cloud.layout.computes]
    cloud.delete_named(NAME)
    try:
        yield [
            cloud.create(NAME, contents.DEMO.name, IMAGE, hosts[number % len(hosts)])
            for number in range(SERVERS)
        ]
    finally:
        with suppress(*NOT_ANSWERED):
            cloud.delete_named(NAME)
