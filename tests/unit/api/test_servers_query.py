# SPDX-License-Identifier: Apache-2.0
"""The query of ``GET /os-xloud-servers``: what is read, and what is refused with which words."""

from __future__ import annotations

import pytest

from nova_xloud.api.servers_query import NAMES, ServersQuery, read
from nova_xloud.errors import Invalid

UUID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({}, ServersQuery()),
        ({"project_id": ["a"]}, ServersQuery(project_id="a")),
        ({"host": ["c1"], "marker": [UUID]}, ServersQuery(host="c1", marker=UUID)),
        ({"converged": ["true"]}, ServersQuery(converged=True)),
        ({"converged": ["0"], "all_projects": ["1"]}, ServersQuery(None, True, converged=False)),
        ({"limit": ["20"], "all_projects": ["False"]}, ServersQuery(limit=20)),
    ],
)
def test_what_is_asked_for(params: dict[str, list[str]], query: ServersQuery) -> None:
    assert read(params) == query


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"converged": ["maybe"]}, "converged is 'maybe'; write true or false"),
        ({"all_projects": ["2"]}, "all_projects is '2'; write true or false"),
        ({"limit": ["0"]}, "limit is '0'; write a whole number from 1"),
        ({"limit": ["-1"]}, "limit is '-1'"),
        ({"limit": ["1.0"]}, "limit is '1.0'"),
        ({"limit": ["\N{ARABIC-INDIC DIGIT ONE}"]}, "limit is"),
        ({"limit": ["1" * 11]}, "of at most 10 digits"),
        ({"marker": ["m"]}, "marker is 'm', and there is no server with this ID"),
        ({"host": ["c\x00"]}, "host is 'c\\x00'; write at most 255 printable ASCII characters"),
        ({"project_id": ["\N{PILE OF POO}"]}, "write at most 255 printable ASCII characters"),
        ({"host": ["h" * 256]}, "write at most 255 printable ASCII characters"),
        ({"host": [""]}, "host is ''; give it a value, or leave it out"),
        ({"host": ["a", "b"]}, "host is given 2 times, as ['a', 'b']; give it once"),
        (
            {"project_id": ["a"], "all_projects": ["true"]},
            "project_id is 'a', and all_projects is true; leave one of the two out",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_the_way_out(
    params: dict[str, list[str]], told: str
) -> None:
    with pytest.raises(Invalid) as refused:
        read(params)
    assert told in refused.value.message
    assert str(refused.value).startswith("xloud.invalid: ")


@pytest.mark.parametrize(
    ("query", "is_own"),
    [
        (ServersQuery(), True),
        (ServersQuery(project_id="mine", converged=False, limit=1, marker="m"), True),
        (ServersQuery(project_id="theirs"), False),
        (ServersQuery(all_projects=True), False),
        (ServersQuery(host="c1"), False),
        (ServersQuery(project_id="mine", host="c1"), False),
    ],
)
def test_only_the_own_project_is_for_everybody(query: ServersQuery, is_own: bool) -> None:
    assert query.is_of_own_project("mine") is is_own


def test_every_parameter_is_named_once() -> None:
    assert sorted(NAMES) == ["all_projects", "converged", "host", "limit", "marker", "project_id"]
