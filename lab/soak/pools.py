"""Small pools of threads in Nova's services, so that they are full before anything is compared."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab import lifecycle, processes
from lab.cloud import Cloud
from lab.layout import Layout
from lab.processes import Daemon
from lab.services import nova

# A pool of Nova makes a thread for each task until it is full, also while others are idle
# (futurist.ThreadPoolExecutor). A pool of the default size that has few tasks is not full in an
# hour, and that would look like a leak: 64 threads of an RPC server, 10 for builds and snapshots.
THREADS = 16
BUILDS = 3
SMALL = f"""\
[DEFAULT]
executor_thread_pool_size = {THREADS}
max_concurrent_builds = {BUILDS}
max_concurrent_snapshots = {BUILDS}
"""


@contextmanager
def small_pools(layout: Layout) -> Iterator[None]:
    """Run Nova's services anew with small pools while the block lasts, and as before afterwards."""
    settings = [layout.etc / "nova" / "nova.conf", *(one.nova_conf for one in layout.computes)]
    before = {path: path.read_text() for path in settings}
    for path, text in before.items():
        path.write_text(text.replace("[DEFAULT]\n", SMALL, 1))
    try:
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
