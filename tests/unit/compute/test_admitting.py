# SPDX-License-Identifier: Apache-2.0
"""A pass leaves an instance alone whose request is being admitted by the same process."""

from __future__ import annotations

from nova_xloud.compute.admitting import Admitting


def test_instance_counts_for_as_long_as_any_of_its_requests() -> None:
    admitting = Admitting()
    assert "a" not in admitting
    with admitting.of("a"):
        with admitting.of("a"):
            assert "a" in admitting
        assert "a" in admitting
        assert "b" not in admitting
    assert "a" not in admitting
