# SPDX-License-Identifier: Apache-2.0
"""A domain of libvirt-python that answers what a test has told it to."""

from __future__ import annotations

from typing import Any

import libvirt

BALLOON = "<memballoon model='virtio'><stats period='1'/></memballoon>"
SILENT = {"actual": 500000, "last_update": 0, "rss": 1}
NOW = 1_000_000_000
SPEAKING = SILENT | {"available": 9, "unused": 5000, "usable": 4095, "last_update": NOW}


class Dom:
    """A domain of libvirt with prepared answers, which remembers the calls."""

    def __init__(
        self, devices: str = BALLOON, *, active: bool = True, state: int = 1, **answers: Any
    ):
        xml_id = " id='3'" if active else ""
        self.answers: dict[str, Any] = {
            "info": [state, 1048576, 524288, 2, 0],
            "XMLDesc": f"<domain{xml_id}><memory unit='KiB'>1048576</memory>"
            "<currentMemory unit='KiB'>400000</currentMemory>"
            f"<vcpu current='2'>4</vcpu><devices>{devices}</devices></domain>",
            "memoryStats": SILENT,
            "isPersistent": 1,
            "guestVcpus": None,
            "agentSetResponseTimeout": 0,
            "setVcpusFlags": 0,
            "setMemoryFlags": 0,
            "setMemoryStatsPeriod": 0,
            **answers,
        }
        self.calls: list[tuple[Any, ...]] = []

    def name(self) -> str:
        return "instance-00000001"

    def __getattr__(self, method: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.calls.append((method, *arguments))
            answer = self.answers[method]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def libvirt_error(code: int, message: str = "words of libvirt") -> libvirt.libvirtError:
    """An error as libvirt raises it, with libvirt's number ``code``."""
    error = libvirt.libvirtError(message)
    error.err = (code, 10, message, 2, None, None, None, 0, 0)
    return error


def agent(state: str) -> str:
    """The devices of a domain whose channel to the guest agent is in ``state``."""
    target = f"<target type='virtio' name='org.qemu.guest_agent.0' state='{state}'/>"
    return f"{BALLOON}<channel type='unix'>{target}</channel>"
