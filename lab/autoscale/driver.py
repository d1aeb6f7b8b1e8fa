# SPDX-License-Identifier: Apache-2.0
"""Drives the load of a server's guest, through the guest's serial console.

libvirt opens the console of a running domain, so this needs neither a network nor an agent, and
works on whichever host the server is. The guest's answers are read from the file into which Nova
has virtlogd write the console.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import libvirt

from lab import guest
from lab.cloud import Cloud
from lab.errors import LabError, NotSettled
from lab.guest import load
from lab.guest.load import Load, LoadReport
from lab.patience import Patience

# For one try. QEMU looks once a second whether its console was opened.
ANSWER_SECONDS = 4.0
BOOT_SECONDS = 60.0
POLL_SECONDS = 0.1
# The last reports are in it. A guest writes some 400 bytes a second.
TAIL_BYTES = 32 * 1024


def tail(path: Path, size: int = TAIL_BYTES) -> bytes:
    """Return the end of a file; empty if there is no file."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - size))
        return file.read()
    return b""


class GuestLoad:
    """The load of one server's guest, whose image has to be one with a load to drive."""

    def __init__(self, cloud: Cloud, server_id: str) -> None:
        self.cloud = cloud
        self.server_id = server_id

    def console(self) -> bytes:
        """Return the end of what the guest has written on its console; empty before its boot."""
        return tail(self.cloud.layout.instances / self.server_id / "console.log")

    def report(self) -> LoadReport | None:
        """Return the last report of the load; None before the first."""
        return load.last_report(self.console())

    def held(self) -> guest.Report | None:
        """Return the guest's last report of its size; None before the first."""
        return guest.last_report(self.console())

    def booted(self, seconds: float = BOOT_SECONDS) -> LoadReport:
        """Wait for the first report, and return it.

        :raises NotSettled: there is none in time
        """
        return self.wait("the guest's load to report", lambda report: True, seconds)

    def set(self, wanted: Load, seconds: float = BOOT_SECONDS) -> LoadReport:
        """Give the guest another load in place of the one that it has, and wait for its answer.

        A line may be lost while the guest boots or stands still, so it is sent until it is
        answered; the guest obeys it once.

        :returns: the report with which the guest answers
        :raises NotSettled: the guest does not answer in time
        :raises LabError: the server's guest does not run, or does not understand the load
        """
        number = self.booted(seconds).command + 1
        line = f"load {number} {wanted.words()}\n"
        patience = Patience(seconds)
        while not patience.is_over():
            with self._opened() as stream:
                stream.send(line.encode())
                if answer := self._answer(number):
                    return answer
        raise NotSettled(f"the guest of {self.server_id} did not answer to: {line.strip()}")

    def wait(
        self, what: str, wanted: Callable[[LoadReport], object], seconds: float = BOOT_SECONDS
    ) -> LoadReport:
        """Wait until the last report is as wanted, and return it.

        :raises NotSettled: it is not in time
        """

        def probe() -> LoadReport | None:
            report = self.report()
            return report if report is not None and wanted(report) else None

        found = self.cloud.wait(what, probe, seconds)
        assert found is not None
        return found

    def _answer(self, number: int) -> LoadReport | None:
        """Return the report with which the guest answers to a command; None if it does not."""
        patience = Patience(ANSWER_SECONDS)
        while not patience.is_over():
            console = self.console()
            if f"command {number} is not understood" in load.errors(console):
                raise LabError(
                    f"the guest of {self.server_id} does not understand command {number}"
                )
            report = load.last_report(console)
            if report is not None and report.command == number:
                return report
            time.sleep(POLL_SECONDS)
        return None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[libvirt.virStream]:
        """Open the guest's console for the block; whoever had it open before loses it."""
        with self.cloud.domain(self.server_id) as domain:
            if domain is None or not domain.isActive():
                raise LabError(f"the guest of {self.server_id} does not run")
            stream = domain.connect().newStream(0)
            domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
            try:
                yield stream
            finally:
                # What the guest has written meanwhile is in the file, and is not read here.
                with contextlib.suppress(libvirt.libvirtError):
                    stream.abort()
