"""The demo: a server is grown and shrunk in the real cloud, and each step prints a row of a table.

The columns are what was requested, what the API answered, and the size that Placement, libvirt and
the guest itself report then. A column with another value than expected is marked with !!, and the
exit status is 1.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab import by_hand, contents
from lab.cloud import BUILD_SECONDS, SETTLE_SECONDS, Answer, Cloud, Size, Witnesses
from lab.layout import Layout

SERVER = "xloud-demo"

SMALL = Size(1, 512)
GROWN = Size(3, 768)
# Asked for while the server is stopped.
KEPT = Size(2, 1024)
TOO_MUCH = Size(33, 2048)

# How long nothing may change after a request that was refused.
STILL_SECONDS = 2.0

COLUMNS = ("step", "asked", "API", "Placement", "libvirt", "guest says", "seconds")
WIDTHS = (30, 10, 5, 12, 12, 12, 7)


@dataclass(frozen=True)
class Step:
    """One row of the demo's table: an action, and the sizes expected after it.

    :ivar do: the action, a function of the cloud and the server's id; it returns the API's HTTP
        status
    :ivar status: the HTTP status that is expected
    :ivar still: seconds to wait after the action before the sizes are read
    :ivar patience: seconds after which a column that has another size is marked
    """

    title: str
    asked: Size | None
    do: Callable[[Cloud, str], int]
    status: int
    expected: Witnesses
    still: float = 0.0
    patience: float = SETTLE_SECONDS


def _everywhere(size: Size | None) -> Witnesses:
    return Witnesses(size, size, size)


def _ask(size: Size) -> Callable[[Cloud, str], int]:
    def ask(cloud: Cloud, server_id: str) -> int:
        answer: Answer = cloud.resize(server_id, size)
        return answer.status

    return ask


def _stop(cloud: Cloud, server_id: str) -> int:
    return _act(cloud, server_id, "os-stop", "SHUTOFF")


def _start(cloud: Cloud, server_id: str) -> int:
    return _act(cloud, server_id, "os-start", "ACTIVE")


def _act(cloud: Cloud, server_id: str, action: str, status: str) -> int:
    answer = cloud.act(server_id, action)
    if answer.status == 202:
        cloud.wait_status(server_id, status)
    return answer.status


def _delete(cloud: Cloud, server_id: str) -> int:
    return cloud.delete(server_id).status


# Sizes are vCPUs / MiB.
STEPS: Sequence[Step] = (
    Step("grow while it runs", GROWN, _ask(GROWN), 202, _everywhere(GROWN)),
    Step("shrink while it runs", SMALL, _ask(SMALL), 202, _everywhere(SMALL)),
    Step(
        "above the flavor's maximum",
        TOO_MUCH,
        _ask(TOO_MUCH),
        400,
        _everywhere(SMALL),
        still=STILL_SECONDS,
    ),
    Step("stop: the claim stays", None, _stop, 202, Witnesses(SMALL, None, None)),
    Step("grow while it is stopped", KEPT, _ask(KEPT), 202, Witnesses(KEPT, None, None)),
    Step("start: it has that size", None, _start, 202, _everywhere(KEPT)),
    Step("delete: nothing is left", None, _delete, 204, _everywhere(None)),
)


def run(layout: Layout) -> int:
    """Run all steps and print the table; return 0 if every column of every row is as expected."""
    cloud = Cloud(layout)
    cloud.delete_named(SERVER)
    most = Size(contents.DEMO.vcpus, contents.DEMO.ram)
    print("\nSizes are vCPUs / MiB of memory.", end=" ")
    print(f"The flavor: at least {SMALL}, at most {most}.\n")
    _print_row(COLUMNS)
    _print_row(["-" * width for width in WIDTHS])
    began = time.monotonic()
    created = cloud.ask_for_server(SERVER, contents.DEMO.name)
    if created.status != 202:
        return _close(layout, [f"create: API says {created.status}: {created.message}"])
    server_id = str(created.body["server"]["id"])
    cloud.wait_status(server_id, "ACTIVE", BUILD_SECONDS)
    # On a busy machine a guest takes long to boot.
    booted = _everywhere(SMALL)
    create = Step("create", SMALL, lambda *_: created.status, 202, booted, patience=BUILD_SECONDS)
    complaints = _row(cloud, server_id, create, began)
    for step in STEPS:
        complaints += _row(cloud, server_id, step, time.monotonic())
    return _close(layout, complaints)


def _row(cloud: Cloud, server_id: str, step: Step, began: float) -> list[str]:
    """Do a step and print its row; return a message for each column that is not as expected."""
    status = step.do(cloud, server_id)
    time.sleep(step.still)
    seen = cloud.settle(server_id, step.expected, step.patience)
    took = time.monotonic() - began - step.still
    checks = {
        "API": (status, step.status),
        "Placement": (seen.placement, step.expected.placement),
        "libvirt": (seen.libvirt, step.expected.libvirt),
        "guest says": (seen.guest, step.expected.guest),
    }
    cells = [_cell(said, right) for said, right in checks.values()]
    asked = str(step.asked) if step.asked else "-"
    _print_row([step.title, asked, *cells, f"{took:.1f}"])
    return [
        f"{step.title}: {name} says {_text(said)}, it should be {_text(right)}"
        for name, (said, right) in checks.items()
        if said != right
    ]


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def _cell(said: object, right: object) -> str:
    return _text(said) + ("" if said == right else " !!")


def _print_row(cells: Sequence[str]) -> None:
    padded = [f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)]
    print("  ".join(padded).rstrip(), flush=True)


def _close(layout: Layout, complaints: Sequence[str]) -> int:
    if complaints:
        print("\nDISAGREEMENT:")
        print("\n".join(f"  {complaint}" for complaint in complaints))
        print(f"\nThe logs: {by_hand.lab_run(layout, 'logs')} (in {layout.logs}).")
        return 1
    print(f"\nEvery column of every row agrees.\n\n{by_hand.text(layout)}")
    return 0
