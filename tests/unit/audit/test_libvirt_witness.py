# SPDX-License-Identifier: Apache-2.0
"""A libvirt as a witness: what it is asked, and how long."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import pytest

from lab.patience import LIMIT
from nova_xloud.audit.guests import LibvirtWitness
from nova_xloud.audit.report import Unread
from nova_xloud.core.checks.invariants import Guest
from nova_xloud.core.instance.guest import DomainStats
from nova_xloud.core.size import Size

ONE = DomainStats(running=True, vcpus=2, memory_mb=512, boot_id=1)


def no_instances() -> Iterable[Any]:
    raise AssertionError("libvirt knows its domains by their UUIDs")


def test_witness_reports_the_known_among_the_requested_guests() -> None:
    witness = LibvirtWitness("host1", "uri", lambda uri: {"one": ONE, "other": ONE}, LIMIT)
    assert witness.guests(["one", "unknown"], None, no_instances) == {"one": Guest(Size(2, 512))}


def test_a_libvirt_that_hangs_is_left_behind_and_named() -> None:
    over = threading.Event()

    def hang(uri: str) -> dict[str, DomainStats]:
        over.wait()
        return {}

    with pytest.raises(Unread) as told:
        LibvirtWitness("host1", "qemu+ssh://host1/system", hang, 0.01).guests(
            ["one"], None, no_instances
        )
    over.set()
    assert told.value.what == (
        "libvirt of host host1 at qemu+ssh://host1/system could not be asked: "
        "no answer within 0.01 s"
    )
    assert "--libvirt host1=URI" in told.value.remedy
