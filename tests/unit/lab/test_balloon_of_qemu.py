# SPDX-License-Identifier: Apache-2.0
"""What QEMU says of a balloon, asked at a socket that answers as QEMU does."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.hypervisor import balloon
from lab.layout import Compute

GREETING = {"QMP": {"version": {}, "capabilities": []}}
# For which the fake waits; only a test that fails waits so long.
SECONDS = 30.0
EVENT = {"event": "BALLOON_CHANGE", "data": {"actual": 1}}


@pytest.fixture
def compute(tmp_path: Path) -> Compute:
    made = Compute("compute1", tmp_path)
    (made.run / "libvirt" / "qemu").mkdir(parents=True)
    made.qmp.mkdir()
    (made.run / "libvirt" / "qemu" / "instance-1.pid").write_text(f"{os.getpid()}\n")
    return made


class Qemu:
    """A QEMU that answers to the second command what a test puts into ``answers``.

    :ivar asked: the commands that it got
    """

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.answers: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def serve(self) -> None:
        connection, _ = self._server.accept()
        connection.settimeout(SECONDS)
        with connection, connection.makefile("rw") as lines:
            for told in (GREETING, {"return": {}}):
                lines.write(json.dumps(told) + "\n")
            lines.flush()
            self.asked += [json.loads(lines.readline())["execute"] for _ in range(2)]
            for told in self.answers:
                lines.write(json.dumps(told) + "\n")
            lines.flush()


@pytest.fixture
def qemu(compute: Compute) -> Iterator[Qemu]:
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(SECONDS)
        server.bind(str(compute.qmp / f"{os.getpid()}.look"))
        server.listen()
        made = Qemu(server)
        thread = threading.Thread(target=made.serve)
        thread.start()
        yield made
        thread.join(2 * SECONDS)
    assert made.asked == ["qmp_capabilities", "query-balloon"]


def test_the_answer_is_in_bytes_and_events_are_no_answer(compute: Compute, qemu: Qemu) -> None:
    qemu.answers += [EVENT, {"return": {"actual": 768 * 2**20 + 4096}}]
    assert balloon.actual_mb(compute, "instance-1") == 768


def test_a_guest_without_a_balloon_has_no_answer(compute: Compute, qemu: Qemu) -> None:
    qemu.answers.append({"error": {"class": "DeviceNotActive", "desc": "No balloon device"}})
    assert balloon.actual_mb(compute, "instance-1") is None


def test_a_domain_that_does_not_run_has_no_answer(compute: Compute) -> None:
    assert balloon.actual_mb(compute, "instance-2") is None
    assert balloon.actual_mb(compute, "instance-1") is None
