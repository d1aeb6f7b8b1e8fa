# SPDX-License-Identifier: Apache-2.0
"""The table of remedies has every code and no other, in whole sentences."""

from __future__ import annotations

import re

import pytest

from nova_xloud.core.instance import conditions
from nova_xloud.core.remedies.blocked import BLOCKED
from nova_xloud.core.remedies.conditions import CONDITIONS
from nova_xloud.core.remedies.findings import FINDINGS
from nova_xloud.core.remedies.refusals import NOVAS, REFUSALS
from nova_xloud.core.remedies.remedy import Remedy, plain
from nova_xloud.core.remedies.table import REMEDIES, find
from tests import codes

# Who does not know the code takes none of these for a sentence, or does not know who "it" is.
PRIVATE = re.compile(
    r"\b(likewise|see there|is told|are told|in vain|as ever|half way|is looked at|goes on)\b|"
    r"(^|[.;:] )Its? ",
    re.IGNORECASE,
)
ENTRIES = [*REMEDIES.values(), *NOVAS.values()]
TEXTS = [text for one in ENTRIES for text in (one.means, one.do, one.operator) if text]
NAMED = r"\b(server|guest|adjustment|host|instance|allocation|consumer)\b"


@pytest.mark.parametrize("code", codes.all_codes())
def test_every_code_has_an_entry(code: str) -> None:
    assert code in REMEDIES


def test_every_entry_has_a_code_or_is_for_all_that_begin_with_it() -> None:
    known = codes.all_codes()
    made = [code for code in REMEDIES.keys() - FINDINGS.keys() if code not in known]
    assert [one for one in made if not any(code.startswith(f"{one}.") for code in known)] == []
    assert sorted(made) == ["xloud.blocked", "xloud.gave_up", "xloud.guest_silent"]


def test_every_refusal_is_an_entry_of_refusals() -> None:
    assert {*REFUSALS, *BLOCKED} == codes.refusal_codes() | {"xloud.blocked"}


def test_every_condition_has_its_reasons() -> None:
    assert tuple(CONDITIONS) == conditions.TYPES
    assert all(CONDITIONS.values())


def test_findings_are_those_of_the_check() -> None:
    assert set(FINDINGS) == codes.finding_codes()


def test_no_code_has_two_entries() -> None:
    tables: list[dict[str, Remedy]] = [REFUSALS, BLOCKED, FINDINGS, *CONDITIONS.values()]
    for table in tables:
        for code, one in table.items():
            assert REMEDIES[code] is one, code


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_of_whole_sentences_and_names_what_it_is_about(text: str) -> None:
    said = plain(text)
    assert re.match("[A-Z]|openstack |nova-xloud ", said)
    assert said.endswith(".")
    assert not PRIVATE.search(said)
    assert text.count("`") % 2 == 0
    if re.search(r"\b(it|its)\b", said):
        assert re.search(rf"{NAMED}.*?\b(it|its)\b", said)


@pytest.mark.parametrize("one", ENTRIES)
def test_an_entry_says_what_it_means_and_what_to_do(one: Remedy) -> None:
    assert one.means
    assert one.do
    assert "|" not in one.means + one.do + one.operator, "a table of Markdown ends a cell there"


def test_only_blockers_are_about_a_resource() -> None:
    assert {code for code, one in REMEDIES.items() if one.about} == set(BLOCKED)


def test_a_later_code_has_the_entry_of_the_longest_code_it_begins_with() -> None:
    assert find("xloud.blocked.vfio") is REMEDIES["xloud.blocked.vfio"]
    assert find("xloud.blocked.later") is REMEDIES["xloud.blocked"]
    assert find("xloud.gave_up.later.still") is REMEDIES["xloud.gave_up"]
    assert find("xloud.unknown") is find("") is None
