# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-run``: run a command of an unmodified Nova with nova-xloud."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import runpy
import sys
from collections.abc import Callable
from typing import Any

from nova_xloud.errors import UnfitNova

USAGE = """\
usage: nova-xloud-run COMMAND [ARGUMENT ...]
       nova-xloud-run -m MODULE [ARGUMENT ...]

Run a command of an unmodified Nova with nova-xloud. All arguments after COMMAND
or MODULE go to the command; nova.conf, api-paste.ini and policies stay as they
are.

  nova-xloud-run nova-compute --config-file /etc/nova/nova.conf
  nova-xloud-run nova-scheduler
  nova-xloud-run nova-manage placement audit
  nova-xloud-run -m nova.cmd.conductor

Use nova-xloud-run for nova-conductor, nova-scheduler and every nova-compute.
nova-api runs under a WSGI server: give the WSGI server the application
nova_xloud.wsgi.osapi_compute:application instead of nova.wsgi.osapi_compute.
The metadata API stays as it is.

Exit codes: those of the command; 2 wrong usage; 78 this Nova does not fit
nova-xloud (the message names what does not fit; nothing was started).
"""

EX_CONFIG = 78


def main() -> int:
    """Run the command that the arguments of the process name, in this process.

    :returns: the exit code of the command; 2 if the arguments are wrong, or no installed package
        has the command; 78 (``EX_CONFIG``) if the installed Nova does not fit nova-xloud; 0 for
        ``--help``
    """
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] == "-m":
        if len(arguments) < 2:
            return _usage_error("-m needs the name of a module, for example nova.cmd.conductor")
        return _run_module(arguments[1], arguments[1:])
    if arguments[0].startswith("-"):
        return _usage_error(
            f"unknown option {arguments[0]}; put options of a command after its name"
        )
    return _run_command(arguments[0], arguments)


def _run_command(command: str, argv: list[str]) -> int:
    found = importlib.metadata.entry_points(group="console_scripts", name=command)
    if not found:
        return _usage_error(
            f"no installed package has a command {command!r}; is Nova installed here?"
        )
    (entry_point,) = found
    sys.argv = argv
    # Nova's command modules choose between threads and eventlet when they are imported, and have
    # to be imported before other modules of Nova.
    start: Callable[[], Any] = entry_point.load()
    return _extended(start)


def _run_module(module: str, argv: list[str]) -> int:
    sys.argv = argv
    if module.startswith("nova.cmd."):
        return _extended(importlib.import_module(module).main)
    return _extended(functools.partial(_run_as_main, module))


def _run_as_main(module: str) -> None:
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _usage_error(message: str) -> int:
    print(f"nova-xloud-run: {message}\n\n{USAGE}", file=sys.stderr)
    return 2


def _extended(start: Callable[[], Any]) -> int:
    """Call ``start``, which runs a command; extend Nova once the command has read nova.conf.

    :returns: what ``start`` returns, 0 for None; 78 (``EX_CONFIG``) if the installed Nova does not
        fit nova-xloud
    """
    try:
        _extend_when_configured()
        return start() or 0
    except UnfitNova as error:
        print(f"nova-xloud-run: {error}", file=sys.stderr)
        return EX_CONFIG


def _extend_when_configured() -> None:
    from nova_xloud.seams.install import install_when_configured

    install_when_configured()


if __name__ == "__main__":
    sys.exit(main())
