# SPDX-License-Identifier: Apache-2.0
"""Text of others is one line that no log and no terminal acts on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.errors import DomainCallFailed
from nova_xloud.printable import one_line


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("web1", "web1"),
        ("Grüße, 日本, می‌خواهم, 👩‍💻", "Grüße, 日本, می‌خواهم, 👩‍💻"),
        ("a\nERROR b", "a\\nERROR b"),
        ("a\r\tb", "a\\r\\tb"),
        ("\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("\u2028\u2029\x85", "\\u2028\\u2029\\x85"),
        ("\ud800", "\\ud800"),
        ("txt.\u202egnp", "txt.\\u202egnp"),
    ],
)
def test_only_what_is_acted_on_is_escaped(text: str, safe: str) -> None:
    assert one_line(text) == safe


@given(st.text(st.characters()))
def test_any_text_is_one_line_that_can_be_encoded(text: str) -> None:
    safe = one_line(text)
    assert len(safe.splitlines()) <= 1
    safe.encode()
    assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in safe)


def test_an_error_of_libvirt_with_words_of_an_agent_is_one_line() -> None:
    said = "agent: no\n2026-11-29 12:00:00.000 1 ERROR nova.compute.manager [-] \x1b[31mforged"
    assert len(str(DomainCallFailed(said)).splitlines()) == 1
    assert "\x1b" not in str(DomainCallFailed(said))
