"""The lab's command line, ``python -m lab``; ``lab/run`` runs it after the set-up."""

import argparse
import subprocess
import sys
from pathlib import Path

from lab import layout, lifecycle
from lab.errors import LabError
from lab.guest_stories.kinds import KINDS
from lab.layout import Layout

DESCRIPTION = "A real OpenStack cloud on this machine, in one folder, to try nova-xloud on."

EPILOG = """\
environment:
  LAB_STATE=FOLDER         keep all state in FOLDER instead of .lab/; its path has to be short
  LAB_HYPERVISOR=system    use this machine's own libvirt and QEMU (with KVM, if it has that), not
                           the newer ones that the lab unpacks beside the system
  LAB_STOCK_NOVA=1         start Nova without nova-xloud, for comparison

first time:
  lab/run up               do the set-up, then start the cloud, step by step
  lab/run demo             grow and shrink a server while it runs, and compare each number
  lab/run demo-autoscale   give guests a load, and show how servers scale by themselves
  lab/run demo-dashboard   open a page in a browser, and grow a server by mouse
  lab/run promise          print what is reserved, in sequences where it is hard to get right
  lab/run chaos            adjust servers while the parts of the cloud are broken on purpose
  lab/run guests           show what users see of guests that do not cooperate
  lab/run soak             load the cloud for an hour, and look at what the services keep of it
  lab/run tempest          run the Tempest tests (docs/tempest.md)
  . .lab/openrc            then: openstack server list
  lab/run logs nova-compute-compute1
  lab/run down             stop everything and keep the servers (down --wipe: delete them)
"""

GUESTS = """\
Bring the lab up. Then, for each kind of guest that does not cooperate, create a
server of flavor xloud.demo, adjust it in the way that shows what its guest does,
and print word for word what its user sees: the openstack commands, their output
and exit codes. Conditions, codes and sizes have to be as expected, the invariants
have to hold at each look, and Placement must never have less than the guest. What
is not as expected is printed in a sentence, and the exit code is 1.
"""

GUESTS_EPILOG = """\
A guest that ..., by its name:

{kinds}

examples:
  lab/run guests                       all of them, about 20 minutes
  lab/run guests no-driver agent-lies  these two
  lab/run guests --write               all, and what they print into docs/admin/guests.md
"""


def main() -> int:
    """Run the command of the command line, and return its exit status."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.run(layout.load(), arguments) or 0)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lab",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start what does not run; may be repeated")
    up.add_argument("--only", choices=lifecycle.PARTS, help="start only this part")
    up.add_argument(
        "--with",
        dest="also",
        choices=("dashboard",),
        help="start this too: OpenStack's dashboard, Horizon, with the pages of nova-xloud",
    )
    up.set_defaults(run=_up)
    demo = commands.add_parser(
        "demo", help="up, then grow and shrink a server and compare each number"
    )
    demo.set_defaults(run=_demo)
    _add_autoscale(commands)
    pages = commands.add_parser(
        "demo-dashboard", help="up --with dashboard, then servers to look at and to grow by mouse"
    )
    pages.set_defaults(run=_demo_dashboard)
    tempest = commands.add_parser("tempest", help="up, then nova-xloud's Tempest tests, or others")
    tempest.add_argument("arguments", nargs="*", help="arguments of `tempest run`, after a --")
    tempest.set_defaults(run=_tempest)
    promise = commands.add_parser(
        "promise", help="up, then print what is reserved where it is hard to get right"
    )
    promise.add_argument(
        "story", nargs="*", help="definition, rescue, slow-removal, ...; default: all"
    )
    promise.set_defaults(run=_promise)
    chaos = commands.add_parser("chaos", help="up, then servers adjusted while parts are broken")
    chaos.add_argument("--seed", type=int, default=1, help="decides the whole sequence: 1")
    chaos.add_argument("--minutes", type=float, default=30.0, help="no round begins after: 30")
    chaos.add_argument("fault", nargs="*", help="names of faults, or parts of names: all")
    chaos.set_defaults(run=_chaos)
    _add_guests(commands)
    soak = commands.add_parser("soak", help="up, then a mixed load, and what is left of it")
    soak.add_argument("--seed", type=int, default=1, help="decides what is done to servers: 1")
    soak.add_argument("--minutes", type=float, default=60.0, help="how long the load lasts: 60")
    soak.add_argument("--keep", action="store_true", help="the figures of docs/ are of this run")
    soak.add_argument("--judge", type=Path, metavar="FILE", help="only judge these samples again")
    soak.set_defaults(run=_soak)
    metrics = commands.add_parser(
        "metrics", help="up, then start a real Prometheus and draw the metrics that it scrapes"
    )
    metrics.set_defaults(run=_metrics)
    status = commands.add_parser("status", help="print what runs; exit status 1 if nothing does")
    status.set_defaults(run=_status)
    logs = commands.add_parser("logs", help="list the logs, or follow those that are named")
    logs.add_argument("name", nargs="*", help="a name that `lab/run logs` lists")
    logs.set_defaults(run=_logs)
    down = commands.add_parser("down", help="stop everything")
    down.add_argument("--wipe", action="store_true", help="also delete servers, databases and logs")
    down.set_defaults(run=_down)
    return parser


def _add_guests(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    kinds = "\n".join(f"  {name:<18}  {kind.does}" for name, kind in KINDS.items())
    guests = commands.add_parser(
        "guests",
        help="up, then show what users see of guests that do not cooperate",
        description=GUESTS,
        epilog=GUESTS_EPILOG.format(kinds=kinds),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    guests.add_argument("name", nargs="*", help="names of the list below; default: all")
    guests.add_argument(
        "--write", action="store_true", help="write what was printed into docs/admin/guests.md"
    )
    guests.set_defaults(run=_guests)


def _add_autoscale(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    autoscale = commands.add_parser(
        "demo-autoscale",
        help="up, then guests with a load, and what automatic growth does for them",
    )
    autoscale.add_argument(
        "scene",
        nargs="*",
        help="day, cache, build, full-host, killed, person, observe; default: all",
    )
    autoscale.add_argument(
        "--keep", action="store_true", help="the samples and the picture of docs/ are of this run"
    )
    autoscale.set_defaults(run=_demo_autoscale)


def _up(lab: Layout, arguments: argparse.Namespace) -> None:
    if arguments.only and arguments.also:
        raise LabError("--with needs the whole cloud: leave --only out")
    lab = lifecycle.up(lab, arguments.only)
    if arguments.also:
        from lab import dashboard

        print(f"The dashboard is at {dashboard.start(lab)}")


def _demo(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab import demo

    return demo.run(lifecycle.up(lab))


def _demo_autoscale(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab.autoscale import run

    names = run.chosen(arguments.scene)
    return run.run(lifecycle.up(lab), names, keep=arguments.keep)


def _demo_dashboard(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab.dashboard import demo

    return demo.run(lifecycle.up(lab))


def _tempest(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab import tempest

    return tempest.run(lifecycle.up(lab), arguments.arguments)


def _promise(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab import promise

    unknown = set(arguments.story) - promise.STORIES.keys()
    if unknown:
        raise LabError(
            f"there is no sequence {', '.join(sorted(unknown))}; choose from: "
            f"{', '.join(promise.STORIES)}"
        )
    return promise.run(lifecycle.up(lab), arguments.story)


def _chaos(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab.chaos import run

    lab = lab if lifecycle.is_up(lab) else lifecycle.up(lab)
    return run.run(lab, arguments.seed, arguments.minutes, arguments.fault)


def _guests(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab.guest_stories import run

    names = run.chosen(arguments.name)
    return run.run(lifecycle.up(lab), names, arguments.write)


def _soak(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab.soak import run

    if arguments.judge:
        return run.again(arguments.judge)
    lab = lab if lifecycle.is_up(lab) else lifecycle.up(lab)
    return run.run(lab, arguments.seed, arguments.minutes, keep=arguments.keep)


def _metrics(lab: Layout, arguments: argparse.Namespace) -> None:
    from lab import monitoring

    monitoring.run(lifecycle.up(lab))


def _status(lab: Layout, arguments: argparse.Namespace) -> int:
    return 0 if lifecycle.status(lab) else 1


def _down(lab: Layout, arguments: argparse.Namespace) -> None:
    lifecycle.down(lab)
    if arguments.wipe:
        lifecycle.wipe(lab)


def _logs(lab: Layout, arguments: argparse.Namespace) -> int:
    logs = sorted(lab.logs.glob("*.log"))
    if not arguments.name:
        print("\n".join(f"{log.stem:<28} {log}" for log in logs) or "no logs yet")
        return 0
    chosen = [log for log in logs if log.stem in arguments.name]
    unknown = set(arguments.name) - {log.stem for log in chosen}
    if unknown:
        raise LabError(
            f"there is no log {', '.join(sorted(unknown))}; `lab/run logs` lists the logs"
        )
    return subprocess.call(["tail", "-n", "50", "-F", *map(str, chosen)])


if __name__ == "__main__":
    sys.exit(main())
