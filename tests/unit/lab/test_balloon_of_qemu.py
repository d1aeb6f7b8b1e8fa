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
EVENT = {"event": "BALLOON_CHANGE", "data": {"actual": 1}}


@pytest.fixture
def compute(tmp_path: Path) -> Compute:
    made = Compute("compute1", tmp_path)
    (made.run / "libvirt" / "qemu").mkdir(parents=True)
    made.qmp.mkdir()
    (made.run / "libvirt" / "qemu" / "instance-1.pid").write_text(f"{os.getpid()}\n")
    return made


@pytest.fixture
def qemu(compute: Compute) -> Iterator[list[dict[str, Any]]]:
    """A QEMU that answers to the second command what is in the list."""
    answers: list[dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(compute.qmp / f"{os.getpid()}.look"))
        server.listen()
        thread = threading.Thread(target=serve, args=(server, answers))
        thread.start()
        yield answers
    thread.join()


def serve(server: socket.socket, answers: list[dict[str, Any]]) -> None:
    connection, _ = server.accept()
    with connection, connection.makefile("rw") as lines:
        for told in (GREETING, {"return": {}}):
            lines.write(json.dumps(told) + "\n")
        lines.flush()
        asked = [json.loads(lines.readline())["execute"] for _ in range(2)]
        assert asked == ["qmp_capabilities", "query-balloon"]
        for told in answers:
            lines.write(json.dumps(told) + "\n")
        lines.flush()


def test_the_answer_is_in_bytes_and_events_are_no_answer(
    compute: Compute, qemu: list[dict[str, Any]]
) -> None:
    qemu += [EVENT, {"return": {"actual": 768 * 2**20 + 4096}}]
    assert balloon.actual_mb(compute, "instance-1") == 768


def test_a_guest_without_a_balloon_has_no_answer(
    compute: Compute, qemu: list[dict[str, Any]]
) -> None:
    qemu.append({"error": {"class": "DeviceNotActive", "desc": "No balloon device"}})
    assert balloon.actual_mb(compute, "instance-1") is None


def test_a_domain_that_does_not_run_has_no_answer(compute: Compute) -> None:
    assert balloon.actual_mb(compute, "instance-2") is None
    assert balloon.actual_mb(compute, "instance-1") is None
