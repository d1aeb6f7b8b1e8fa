"""The options of Nova in a soak run: pools and a journal that are full before the run ends."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab import lifecycle, processes
from lab.cloud import Cloud
from lab.layout import Layout
from lab.processes import Daemon
from lab.services import config, nova
from lab.soak import journal
from lab.soak.bounds import JOURNAL_MB

# A pool of Nova makes a thread for each task until it is full, also while others are idle
# (futurist.ThreadPoolExecutor). A pool of the default size that has few tasks is not full in an
# hour, and that would look like a leak: 64 threads of an RPC server, 10 for builds and snapshots.
POOLS: Mapping[str, object] = {
    "executor_thread_pool_size": 16,
    "max_concurrent_builds": 3,
    "max_concurrent_snapshots": 3,
}
# Every elastic server has its lines in the journal, each second, and one server is changed too
# (lab.contents.SOAK). What a guest has needed is forgotten after a minute, so histories are as
# large as they become before the warm-up is over.
GROWTH: Mapping[str, object] = {
    "autoscale": "observe",
    "autoscale_interval": 1,
    "autoscale_window": 60,
    "autoscale_hold": 60,
    "autoscale_cap": 30,
}


@contextmanager
def soak_options(layout: Layout) -> Iterator[None]:
    """Run Nova's services anew with these options while the block lasts, and as before afterwards.

    Each compute host begins with a journal that is nearly full.
    """
    wanted: dict[Path, Mapping[str, object]] = {layout.etc / "nova" / "nova.conf": GROWTH}
    for compute in layout.computes:
        folder = journal.folder(compute)
        journal.fill(folder)
        wanted[compute.nova_conf] = {
            **GROWTH,
            "autoscale_journal": folder,
            "autoscale_journal_mb": JOURNAL_MB,
        }
    before = {path: path.read_text() for path in wanted}
    try:
        for path, text in before.items():
            pooled = config.with_values(text, "DEFAULT", POOLS)
            path.write_text(config.with_values(pooled, "xloud", wanted[path]))
        processes.start(layout, _services(layout))
        lifecycle.wait_for_nova(layout, Cloud(layout).connection)
        yield
    finally:
        for path, text in before.items():
            path.write_text(text)
        processes.start(layout, _services(layout))


def _services(layout: Layout) -> list[Daemon]:
    computes = [nova.compute_daemon(layout, compute) for compute in layout.computes]
    return [*nova.daemons(layout), *computes]
