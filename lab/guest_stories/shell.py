"""Runs the ``openstack`` command as a person does, in a shell that has sourced the lab's openrc."""

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lab.errors import CommandFailed
from lab.layout import REPOSITORY, Layout
from lab.patience import Patience

# More than the client's own --timeout, which is 300 s.
SECONDS = 360.0
# Between two looks meanwhile, so that they leave the machine to the command.
PAUSE_SECONDS = 1.0
# So that an output indented by four fits into 100 columns.
COLUMNS = 96


@dataclass(frozen=True)
class Ran:
    """One command that has ended.

    :ivar command: the command as a person types it
    :ivar output: what it wrote to stdout and stderr, in the order of a terminal
    """

    command: str
    code: int
    output: str

    @property
    def transcript(self) -> str:
        """The command, its output and its exit code if that is not 0, as in a terminal."""
        code = f"$ echo $?\n{self.code}\n" if self.code else ""
        return f"$ {self.command}\n{self.output}{code}"


@dataclass(frozen=True)
class Filter:
    """A command that keeps a part of another's output.

    :ivar command: the command as a person types it after a ``|``
    :ivar keep: does the same
    """

    command: str
    keep: Callable[[str], str]

    def of(self, ran: Ran) -> Ran:
        """Return the command with this filter, and the part of its output that is kept."""
        return Ran(f"{ran.command} | {self.command}", ran.code, self.keep(ran.output))


def openstack(layout: Layout, words: Sequence[str], meanwhile: Callable[[], object]) -> Ran:
    """Run ``openstack`` with these words, and return how it ended.

    :param meanwhile: is called again and again while the command runs
    :raises CommandFailed: the command does not end in time
    """
    # openrc replaces PYTHONPATH, and the commands are to be those of this checkout.
    source = f'. {shlex.quote(str(layout.openrc))} && export PYTHONPATH="$PYTHONPATH:$OWN"'
    line = f"{source} && exec {shlex.join([layout.program('openstack'), *words])}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    command = shlex.join(["openstack", *words])
    with subprocess.Popen(
        ["bash", "-c", line],
        env={**clean, "COLUMNS": str(COLUMNS), "OWN": str(REPOSITORY / "src")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        patience = Patience(SECONDS)
        try:
            # What these commands print is less than a pipe takes.
            while process.poll() is None:
                meanwhile()
                if patience.is_over():
                    raise CommandFailed(f"`{command}` did not end in {SECONDS:.0f} s")
                time.sleep(PAUSE_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
        assert process.stdout is not None
        return Ran(command, process.returncode, process.stdout.read())
