# SPDX-License-Identifier: Apache-2.0
"""Answers of another form than the API's: one error, no traceback, nothing a terminal acts on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.client import Xloud
from nova_xloud.client.commands import columns, history, show
from nova_xloud.client.errors import UnreadableAnswer
from nova_xloud.client.recorded import PastAdjustment
from nova_xloud.client.resources import Adjustment, Status
from tests.unit.client.bodies import SERVER, autoscale, body, condition, response
from tests.unit.client.test_recorded import entry, page

FORGED = "\x1b[2J\x07\nno\u2028line\u202e"
ODD = (None, True, 0, -1, 1.5, float("nan"), "", "1", FORGED, "\ud800", [], [None], {}, {"a": 1})
PAST = {
    "at": "2026-11-30T14:05:11Z",
    "by": "autoscale",
    "request_id": "req-1",
    "from": {"vcpus": 1, "memory_mb": 512},
    "to": {"vcpus": 3, "memory_mb": 768},
    "outcome": "converged",
    "code": "xloud.converged",
}
BLOCKER = {"resource": "vcpus", "code": "xloud.blocked.x", "message": "m"}
REASON = {"resource": "vcpus", "code": "grow.cpu_busy", "message": "m"}
PLAN = {
    "admitted": False,
    "refusal": {"code": "xloud.no_capacity", "message": "full"},
    "desired": {"vcpus": 3, "memory_mb": 768},
    "claim": None,
    "steps": [{"step": "claim", "vcpus": 3, "memory_mb": 768}],
    "blockers": [BLOCKER],
}
STATUS = body(
    None,
    None,
    condition("Converged", True, "xloud.converged"),
    blockers=[BLOCKER],
    autoscale=autoscale(
        "on", recommendation={"vcpus": 2, "memory_mb": 512}, reasons=[REASON], since="t"
    ),
)
ANSWERS: dict[str, tuple[Any, Callable[[Xloud], Any]]] = {
    "status": ({"xloud_status": STATUS}, lambda xloud: xloud.get_status(THE_SERVER)),
    "history": ({"xloud_history": [PAST]}, lambda xloud: xloud.get_history(THE_SERVER)),
    "list": (page("a"), lambda xloud: list(xloud.recorded_servers())),
    "plan": ({"plan": PLAN}, lambda xloud: xloud.plan(THE_SERVER, vcpus=3)),
}
THE_SERVER = SimpleNamespace(id=SERVER)


class Compute:
    """In place of ``Connection.compute``: gives one answer to all requests."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    def get(self, path: str, **options: Any) -> Any:
        self.asked += 1
        return response(200, self.answer)

    def post(self, path: str, **options: Any) -> Any:
        return response(200, self.answer)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else []
    for key, member in enumerate(value) if isinstance(value, list) else members:
        yield (*path, key)
        yield from places(member, (*path, key))


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_as_they_are_are_read(name: str) -> None:
    answer, read = ANSWERS[name]
    read(Xloud(Compute(answer)))


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("answer", ["", "<html>502</html>", "[", "null", "[]", "7", '"x"', "{}"])
def test_answer_that_is_none_is_one_error(name: str, answer: str) -> None:
    _, read = ANSWERS[name]
    with pytest.raises(UnreadableAnswer, match="cannot be read"):
        read(Xloud(Compute(answer)))


@pytest.mark.parametrize("name", ANSWERS)
@given(st.data())
def test_any_value_in_any_place_is_read_or_one_error(name: str, data: st.DataObject) -> None:
    whole, read = ANSWERS[name]
    answer = copy.deepcopy(whole)
    *path, last = data.draw(st.sampled_from(list(places(answer))))
    changed = answer
    for key in path:
        changed = changed[key]
    if data.draw(st.booleans()) and isinstance(changed, dict):
        del changed[last]
    else:
        changed[last] = data.draw(st.sampled_from(ODD))
    try:
        read(Xloud(Compute(answer)))
    except UnreadableAnswer as error:
        told = str(error)
    else:
        told = ""
    assert told.isprintable()
    assert len(told) < 600


@pytest.mark.parametrize("href", ["?marker=a", "?limit=1", "", "http://["])
def test_page_that_links_to_itself_does_not_go_on_for_ever(href: str) -> None:
    links = [{"rel": "next", "href": href}]
    compute = Compute({"xloud_servers": [entry("a")], "xloud_servers_links": links})
    with pytest.raises(UnreadableAnswer):
        list(Xloud(compute).recorded_servers())
    assert compute.asked <= 2


def test_status_that_cannot_be_read_does_not_end_the_wait() -> None:
    compute = Compute("<html>502</html>")
    answers = iter(["<html>502</html>", {"xloud_status": body()}])
    compute.get = lambda *_, **__: response(200, next(answers))  # type: ignore[method-assign]
    adjustment = Adjustment(SERVER, 1, None, True, "req-1")
    told = Xloud(compute).wait_for_adjustment(adjustment, timeout=10, interval=0.0)
    assert told.converged


def is_safe(cell: Any) -> bool:
    text = cell.human_readable() if hasattr(cell, "human_readable") else str(cell)
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("name", ["at", "by", "request_id", "outcome", "code"])
@pytest.mark.parametrize("is_chosen", [True, False])
def test_table_of_a_history_has_nothing_a_terminal_acts_on(name: str, is_chosen: bool) -> None:
    one = PastAdjustment.from_body({**PAST, name: FORGED})
    assert all(map(is_safe, history._row_of_table(one, is_chosen)))


def test_fields_of_a_table_have_nothing_a_terminal_acts_on() -> None:
    odd = copy.deepcopy(STATUS)
    odd["source"] = odd["later"] = odd["conditions"][0]["message"] = FORGED
    odd["conditions"].append(condition("Later", True, FORGED, FORGED))
    odd["blockers"][0]["message"] = odd["autoscale"]["reasons"][0]["message"] = FORGED
    assert is_safe(show._state(Status.from_body(SERVER, odd)))
    for name, value in odd.items():
        assert is_safe(show._COLUMNS.get(name, show._as_it_is)(value)), name
    assert is_safe(columns.SizeColumn({"vcpus": FORGED, "memory_mb": 1}))
