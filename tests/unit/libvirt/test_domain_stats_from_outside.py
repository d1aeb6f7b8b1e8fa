# SPDX-License-Identifier: Apache-2.0
"""A connection of its own, by URI, to the real library."""

from __future__ import annotations

import libvirt
import pytest

from nova_xloud.errors import DomainCallFailed
from nova_xloud.libvirt.domain_stats import survey_at


def test_a_libvirt_is_asked_by_its_uri() -> None:
    # libvirt's own test driver tells of no balloon, and what is not known whole is left out.
    assert survey_at("test:///default") == {}


def test_missing_libvirt_is_an_error_with_the_uri_and_nothing_on_stderr(
    capfd: pytest.CaptureFixture[str],
) -> None:
    uri = "qemu+unix:///system?socket=/nowhere/libvirt-sock"
    with pytest.raises(DomainCallFailed, match=r"openReadOnly\(qemu\+unix.*/nowhere/libvirt-sock"):
        survey_at(uri)
    # Else each libvirtError that a later test of this thread makes is of this one.
    libvirt.virResetLastError()
    assert capfd.readouterr().err == ""
