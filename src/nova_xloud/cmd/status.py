# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-status``: check a cloud, print what is wrong, and end with an exit code."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from nova_xloud import releases
from nova_xloud.cmd import invariants, upgrade_check

DESCRIPTION = """\
Check a cloud that runs nova-xloud. Run this command where nova-manage runs: it
reads the same nova.conf, and needs [api_database], [database], [placement], the
cells that are mapped there, and the message broker for its questions to
nova-compute. It changes nothing.
"""

EPILOG = """\
Exit codes: 0 all is well; 2 the arguments are wrong; 130 interrupted (Ctrl-C).
Each command has more exit codes, which its own help lists.

  nova-xloud-status upgrade check           check that every part of the cloud
                                            is as nova-xloud needs it
  nova-xloud-status invariants              check that Placement has allocated
                                            what every guest has
  nova-xloud-status upgrade check --help    list what is checked, and how
  nova-xloud-status invariants --help       list the rules that are checked
"""

PROGRAM = "nova-xloud-status"

# The exit code that shells give a program that SIGINT has ended.
INTERRUPTED = 130

# Each has add(subparsers, parent), and sets `run`: from the arguments to an exit code, and
# `unconfigured`: the exit code when nova.conf cannot be read.
COMMANDS = (upgrade_check, invariants)

# Takes the options that name Nova's configuration, and makes Nova usable in this process.
Configured = Callable[[Sequence[str]], AbstractContextManager[None]]


def main(argv: Sequence[str] | None = None, configured: Configured | None = None) -> int:
    """Run one command of ``nova-xloud-status``.

    :param argv: the arguments; default: those of the process
    :param configured: reads nova.conf and makes Nova usable in this process; default: as
        nova-manage does it. It takes the options that name the configuration
    :returns: the exit code of the command, which the command's help explains; if nova.conf cannot
        be read, 2 for ``invariants`` and 255 for ``upgrade check``; 130 after Ctrl-C
    :raises SystemExit: the arguments are wrong (2), or ask for help (0)
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
        print(
            f"{PROGRAM}: interrupted before the check was finished; nothing was reported",
            file=sys.stderr,
        )
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line.

    The options that name Nova's configuration may be before the command or after it.
    """
    # As in Nova's own commands: its early parsing of sys.argv knows no abbreviations.
    nova = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option, what in (("--config-file", "nova.conf"), ("--config-dir", "nova.conf.d")):
        nova.add_argument(
            option,
            metavar="PATH",
            action="append",
            default=argparse.SUPPRESS,
            help=f"Nova's configuration; can be repeated (default: /etc/nova/{what})",
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
    """nova.conf cannot be read, or an option in it has a value that is not valid."""


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
        raise Unconfigured(
            f"{error}; correct it, or name another file with --config-file"
        ) from error
    objects.register_all()
    # Imported modules stay. To collect cycles took 12 times as long with them as without
    # (measured), and a large cloud is read page by page, with a collection after each page.
    gc.freeze()
    try:
        yield
    finally:
        rpc.cleanup()


if __name__ == "__main__":
    sys.exit(main())
