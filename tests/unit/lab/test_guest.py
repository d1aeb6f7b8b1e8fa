"""The parts of guests that do not cooperate, without a guest: driver, agent, and slow removals."""

import json
import os
import pty
import select
import struct
import subprocess
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab import guest
from lab.guest import silent_balloon
from lab.hypervisor import nudge

MASK = struct.pack("<Q", 0xFFFFFFFDEFFFFFFF)
CODE = b"\x90\x48\xba" + MASK + b"\x48\x21\xd0"
PATIENCE_SECONDS = 10


def test_silent_driver_drops_all_reports_too_and_has_no_signature() -> None:
    signature = b"signature"
    signed = CODE + signature + bytes(8) + struct.pack(">I", len(signature))
    made = silent_balloon.made_of(signed + silent_balloon.SIGNED)
    assert made == CODE.replace(b"\xff\xff\xff\xef", b"\xdd\xff\xff\xef")
    assert silent_balloon.made_of(CODE) == made


@pytest.mark.parametrize("module", [b"\x7fELF", CODE + CODE])
def test_no_silent_driver_is_made_of_code_that_is_not_known(module: bytes) -> None:
    assert silent_balloon.made_of(module) is None


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("xloud.guest=slow-removal", 8.0),
        ("xloud.guest=very-slow-removal", 40.0),
        ("xloud.guest=no-removal", 0.0),
    ],
)
def test_nudge_knows_a_slow_guest_by_the_command_line_of_its_qemu(
    tmp_path: Path, word: str, seconds: float
) -> None:
    # The kernel's command line is one argument of QEMU. What is printed shows that QEMU runs.
    command = ["bash", "-c", "echo; read -r _", f"console=ttyS0 {word}"]
    qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert qemu.stdout is not None
    qemu.stdout.readline()
    try:
        assert nudge._delay(tmp_path / f"{qemu.pid}.sock") == seconds
    finally:
        qemu.kill()
        qemu.communicate()


GREETING = {"execute": "guest-sync", "arguments": {"id": 1790000000123}}
GET = {"execute": "guest-get-vcpus"}
SET = {
    "execute": "guest-set-vcpus",
    "arguments": {"vcpus": [{"logical-id": n, "online": True} for n in (1, 2)]},
}


class Port:
    """The host's side of the port of a fake agent."""

    def __init__(self, side: int) -> None:
        self.side = side

    def ask(self, command: dict[str, object], seconds: float = PATIENCE_SECONDS) -> object:
        """Return what the agent answers; None if it does not answer in time."""
        # libvirt sends 0xFF first, so that an agent drops what it has read of a broken command.
        os.write(self.side, b"\xff" + json.dumps(command).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            if not select.select([self.side], [], [], seconds)[0]:
                return None
            answer += os.read(self.side, 4096)
        return json.loads(answer)


@contextmanager
def agent(how: str) -> Iterator[Port]:
    ours, its = pty.openpty()
    for side in (ours, its):
        tty.setraw(side)
    script = Path(guest.__file__).with_name("fake_agent.sh")
    process = subprocess.Popen(["sh", str(script), how, os.ttyname(its)])
    try:
        yield Port(ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(its)


@pytest.mark.parametrize("how", ["lies", "hangs", "errors"])
def test_each_agent_answers_the_greeting(how: str) -> None:
    with agent(how) as port:
        assert port.ask(GREETING) == {"return": 1790000000123}
        assert port.ask(GREETING) == {"return": 1790000000123}


def test_lying_agent_counts_one_cpu_and_says_that_it_obeyed() -> None:
    with agent("lies") as port:
        cpus = port.ask(GET)
        assert isinstance(cpus, dict)
        online = [cpu["logical-id"] for cpu in cpus["return"] if cpu["online"]]
        assert online == [0]
        assert len(cpus["return"]) == os.sysconf("SC_NPROCESSORS_CONF")
        assert port.ask(SET) == {"return": 2}


def test_hanging_agent_answers_no_command() -> None:
    with agent("hangs") as port:
        assert port.ask(GREETING)
        assert port.ask(GET, seconds=0.5) is None


def test_agent_with_errors_answers_all_commands_with_an_error() -> None:
    with agent("errors") as port:
        for command in (GET, SET):
            answer = port.ask(command)
            assert isinstance(answer, dict)
            assert answer["error"]["class"] == "GenericError"
