# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-status``: questions to a cloud, answered for people and by the exit code."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from nova_xloud import releases
from nova_xloud.cmd import invariants, upgrade_check

DESCRIPTION = """\
Ask whether a cloud with nova-xloud is as it has to be. Run it where nova-manage runs: it reads the
same nova.conf, and needs [api_database], [database], [placement], the cells that are mapped there,
and for what it asks of nova-compute the message broker. It changes nothing.
"""

EPILOG = """\
Exit codes: 0 all is well; 2 the arguments are wrong; 130 interrupted (Ctrl-C). Each command has
more, and says them.

  nova-xloud-status upgrade check           is all of it as nova-xloud needs it?
  nova-xloud-status upgrade check --help    says what is checked, and how
  nova-xloud-status invariants --help       likewise
"""

PROGRAM = "nova-xloud-status"

# As shells say it of a program that SIGINT has ended.
INTERRUPTED = 130

# Each has add(subparsers, parent), and sets `run`: from the arguments to an exit code, and
# `unconfigured`: the exit code when nova.conf cannot be read.
COMMANDS = (upgrade_check, invariants)

# Nova ready to be used in this process, from the options that name its configuration.
Configured = Callable[[Sequence[str]], AbstractContextManager[None]]


def main(argv: Sequence[str] | None = None, configured: Configured | None = None) -> int:
    """Answer one question.

    :param argv: default: the process's own
    :param configured: default: as nova-manage does it
    :returns: exit code; see the command's own EPILOG
    """
    arguments = parser().parse_args(argv)
    given = vars(arguments)
    options = [f"--config-file={path}" for path in given.get("config_file", ())]
    options += [f"--config-dir={path}" for path in given.get("config_dir", ())]
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        with (configured or _configured)(options):
            return run(arguments)
    except Unconfigured as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        unconfigured: int = arguments.unconfigured
        return unconfigured
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted, so nothing is known", file=sys.stderr)
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """The arguments; those of Nova's configuration are taken before and behind the command."""
    # As in Nova's own commands: its early parsing of sys.argv knows no abbreviations.
    nova = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option, what in (("--config-file", "nova.conf"), ("--config-dir", "nova.conf.d")):
        nova.add_argument(
            option,
            metavar="PATH",
            action="append",
            default=argparse.SUPPRESS,
            help=f"Nova's configuration; may be repeated (default: /etc/nova/{what})",
        )
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        parents=[nova],
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands, nova)
    return top


class Unconfigured(Exception):
    """Nova's configuration could not be read."""


@contextmanager
def _configured(options: Sequence[str]) -> Iterator[None]:
    # Nova wants to choose between threads and eventlet before anything else of it is imported.
    from oslo_config import cfg

    try:
        releases.choose_backend()
        import nova.conf
        from nova import config, objects, rpc

        from nova_xloud import conf

        conf.register(nova.conf.CONF)
        config.parse_args([PROGRAM, *options])
    except cfg.Error as error:
        raise Unconfigured(f"{error}; name the right one with --config-file") from error
    objects.register_all()
    # What is imported stays. Looking for cycles in it took 12 times as long as without (measured),
    # and a large cloud is read page by page with a look after each.
    gc.freeze()
    try:
        yield
    finally:
        rpc.cleanup()


if __name__ == "__main__":
    sys.exit(main())
