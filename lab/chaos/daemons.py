"""The lab's daemons as a chaos run has them: fault points on, and an unkind Placement."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lab import hypervisor, processes
from lab.chaos import clock, unkind_placement
from lab.layout import Layout
from lab.processes import Daemon
from lab.services import glance, keystone, neutron, nova, placement, rabbitmq

# The name of the variable is the product's; the lab is a user of it, and imports nothing of it.
FAULT_POINT = "NOVA_XLOUD_FAULT_POINT"
# Nova answers a request whose compute host has died after 20 s, and not after its default of 60 s.
IMPATIENT = "[DEFAULT]\nrpc_response_timeout = 20\n"


def of_chaos(layout: Layout) -> dict[str, Daemon]:
    """Return all daemons of the lab by name, as a chaos run has them."""
    plain = [
        *rabbitmq.daemons(layout),
        *keystone.daemons(layout),
        *glance.daemons(layout),
        *neutron.daemons(layout),
        *(hypervisor.libvirtd(layout, compute) for compute in layout.computes),
    ]
    changed = [
        *(_with_fault_points(layout, daemon) for daemon in _of_nova(layout)),
        *(_unkind(layout, daemon) for daemon in placement.daemons(layout)),
    ]
    return {daemon.name: daemon for daemon in [*plain, *changed]}


@contextmanager
def in_chaos(layout: Layout) -> Iterator[Mapping[str, Daemon]]:
    """Run the lab's daemons as a chaos run has them for as long as the block lasts.

    Afterwards the daemons of Nova and Placement are started again as they usually are.
    """
    wanted = of_chaos(layout)
    settings = [layout.etc / "nova" / "nova.conf", *(c.nova_conf for c in layout.computes)]
    before = {path: path.read_text() for path in settings}
    for path, text in before.items():
        path.write_text(text.replace("[DEFAULT]\n", IMPATIENT, 1))
    for daemon in wanted.values():
        for file in points_of(layout, daemon.name).glob("*"):
            file.unlink()
    orders(layout).unlink(missing_ok=True)
    try:
        _start(layout, wanted)
        yield wanted
    finally:
        for path, text in before.items():
            path.write_text(text)
        orders(layout).unlink(missing_ok=True)
        usual = [*_of_nova(layout), *placement.daemons(layout)]
        _start(layout, {daemon.name: daemon for daemon in usual})


def _start(layout: Layout, daemons: Mapping[str, Daemon]) -> None:
    """Start the daemons; Placement first, because without it nova-compute ends when it starts."""
    first = [daemons[daemon.name] for daemon in placement.daemons(layout)]
    processes.start(layout, first)
    processes.start(layout, daemons.values())


def _of_nova(layout: Layout) -> list[Daemon]:
    computes = [nova.compute_daemon(layout, compute) for compute in layout.computes]
    return [*nova.daemons(layout), *computes]


def points_of(layout: Layout, daemon: str) -> Path:
    """Return the folder where a daemon's fault points are armed."""
    return layout.state / "fault-points" / daemon


def orders(layout: Layout) -> Path:
    """Return the file that says how Placement answers."""
    return layout.state / "unkind-placement.json"


@contextmanager
def placement_that(layout: Layout, **order: object) -> Iterator[None]:
    """Have Placement answer as ``order`` says, and else as before, for as long as the block lasts.

    Of two blocks, one within the other, the inner one counts where both say something.
    """
    file = orders(layout)
    before = file.read_text() if file.exists() else None
    _put(file, json.dumps({**json.loads(before or "{}"), **order}))
    try:
        yield
    finally:
        if before is None:
            file.unlink(missing_ok=True)
        else:
            _put(file, before)


def _put(file: Path, text: str) -> None:
    # Placement reads the file at each request, so it must never find half of it.
    draft = file.with_suffix(".new")
    draft.write_text(text)
    draft.rename(file)


def _with_fault_points(layout: Layout, daemon: Daemon) -> Daemon:
    folder = points_of(layout, daemon.name)
    folder.mkdir(parents=True, exist_ok=True)
    more = {FAULT_POINT: str(folder), **clock.environment(layout)}
    return replace(daemon, environment={**daemon.environment, **more})


def _unkind(layout: Layout, daemon: Daemon) -> Daemon:
    command = [
        f"{unkind_placement.__name__}:application" if word.endswith(":application") else word
        for word in daemon.command
    ]
    environment = {**daemon.environment, unkind_placement.VARIABLE: str(orders(layout))}
    return replace(
        daemon,
        command=command,
        environment=environment,
        made_of=[*daemon.made_of, Path(unkind_placement.__file__)],
    )
