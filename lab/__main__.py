"""``python -m lab``: the lab's command line. ``lab/run`` does the set-up first, then this."""

import argparse
import subprocess
import sys

from lab import layout, lifecycle
from lab.errors import LabError
from lab.layout import Layout

DESCRIPTION = "A real OpenStack cloud on this machine, below one folder, to try nova-xloud on."

EPILOG = """\
environment:
  LAB_STATE=FOLDER         keep everything there instead of in .lab/ (a short path)
  LAB_HYPERVISOR=system    this machine's own libvirt and QEMU (KVM, if there is any) instead of
                           the newer ones that are unpacked beside the system
  LAB_STOCK_NOVA=1         start Nova without nova-xloud, for comparison

first time:
  lab/run up               set-up, then the cloud, step by step
  lab/run demo             one server grown and shrunk while it runs, each number compared
  lab/run promise          what is reserved, where it is hard to keep true
  lab/run tempest          the Tempest tests (docs/tempest.md)
  . .lab/openrc            then: openstack server list
  lab/run logs nova-compute-compute1
  lab/run down             nothing is left running; the servers are kept (down --wipe: are not)
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
    up = commands.add_parser("up", help="start what does not run; can be repeated")
    up.add_argument("--only", choices=lifecycle.PARTS, help="stop after this part")
    up.set_defaults(run=_up)
    demo = commands.add_parser("demo", help="up, then the main job with every number compared")
    demo.set_defaults(run=_demo)
    tempest = commands.add_parser("tempest", help="up, then our Tempest tests, or what is named")
    tempest.add_argument("arguments", nargs="*", help="of `tempest run`, after a --")
    tempest.set_defaults(run=_tempest)
    promise = commands.add_parser(
        "promise", help="up, then sequences in which what is reserved is hard to keep true"
    )
    promise.add_argument("story", nargs="*", help="definition, rescue, slow-removal, ...: all")
    promise.set_defaults(run=_promise)
    metrics = commands.add_parser(
        "metrics", help="up, a real Prometheus beside it, and a picture of what that has seen"
    )
    metrics.set_defaults(run=_metrics)
    status = commands.add_parser("status", help="what runs; exit status 1 when nothing does")
    status.set_defaults(run=_status)
    logs = commands.add_parser("logs", help="list the logs, or follow those named")
    logs.add_argument("name", nargs="*", help="as `status` shows it")
    logs.set_defaults(run=_logs)
    down = commands.add_parser("down", help="stop everything")
    down.add_argument("--wipe", action="store_true", help="and forget servers and databases")
    down.set_defaults(run=_down)
    return parser


def _up(lab: Layout, arguments: argparse.Namespace) -> None:
    lifecycle.up(lab, arguments.only)


def _demo(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab import demo

    return demo.run(lifecycle.up(lab))


def _tempest(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab import tempest

    return tempest.run(lifecycle.up(lab), arguments.arguments)


def _promise(lab: Layout, arguments: argparse.Namespace) -> int:
    from lab import promise

    unknown = set(arguments.story) - promise.STORIES.keys()
    if unknown:
        raise LabError(
            f"no story {', '.join(sorted(unknown))}; one of: {', '.join(promise.STORIES)}"
        )
    return promise.run(lifecycle.up(lab), arguments.story)


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
        raise LabError(f"no log of {', '.join(sorted(unknown))}; `lab/run logs` lists them")
    return subprocess.call(["tail", "-n", "50", "-F", *map(str, chosen)])


if __name__ == "__main__":
    sys.exit(main())
