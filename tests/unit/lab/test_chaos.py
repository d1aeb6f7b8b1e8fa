"""The pure parts of a chaos run: its sequence, its table, and a Placement that answers badly."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from lab.chaos import faults, points, schedule, table
from lab.chaos.checks import polled
from lab.chaos.run import all_faults
from lab.chaos.schedule import SIZES, Way
from lab.chaos.table import Trial
from lab.chaos.unkind_placement import unkind
from nova_xloud import fault_points

FAULTS = {"a": Way.ANY, "b": Way.GROW, "c": Way.SHRINK, "alone": Way.ANY}


def rounds(seed: int, count: int = 40) -> list[schedule.Round]:
    return list(islice(schedule.rounds(seed, FAULTS, 3, ["alone"]), count))


def test_a_seed_is_one_sequence() -> None:
    assert rounds(7) == rounds(7)
    assert rounds(7) != rounds(8)


@pytest.mark.parametrize("seed", range(5))
def test_each_fault_is_tried_alone_before_any_two_at_once(seed: int) -> None:
    played = rounds(seed)
    assert sorted(one.faults for one in played[:4]) == [("a",), ("alone",), ("b",), ("c",)]
    assert {len(set(one.faults)) for one in played[4:]} == {2}
    assert not any("alone" in one.faults for one in played[4:])


@pytest.mark.parametrize("alone", [[], ["a"]])
def test_single_faults_go_on_where_no_two_may_be_mixed(alone: list[str]) -> None:
    chosen = {name: Way.ANY for name in ("a", "b")} if alone else {"a": Way.ANY}
    played = list(islice(schedule.rounds(7, chosen, 3, alone), 20))
    assert {one.faults for one in played} == {(name,) for name in chosen}


@pytest.mark.parametrize("seed", range(5))
def test_each_round_asks_for_other_sizes_and_as_the_fault_needs(seed: int) -> None:
    before = [SIZES[schedule.FIRST]] * 3
    for one in rounds(seed):
        for old, new in zip(before, one.sizes, strict=True):
            assert old != new
        grows = one.sizes[one.target] > before[one.target]
        if one.faults == ("b",) and min(before) < SIZES[-1]:
            assert grows
        if one.faults == ("c",) and max(before) > SIZES[0]:
            assert not grows
        before = list(one.sizes)


def test_each_fault_point_of_the_package_is_a_fault() -> None:
    assert {point.name for point in points.POINTS} == set(fault_points.POINTS)
    for point in points.POINTS:
        service = fault_points.POINTS[point.name]
        assert point.daemon == ("" if service == "nova-compute" else service)


def test_no_two_faults_have_the_same_name() -> None:
    assert len(all_faults()) == len(faults.FAULTS) + len(points.POINTS)


def test_the_table_has_median_worst_and_violations_of_each_fault() -> None:
    said = table.text(
        [
            Trial("QEMU killed", 4.0, judged=(True, True)),
            Trial("QEMU killed", 9.0, judged=(True, False)),
            Trial("QEMU killed", 5.0),
            Trial("killed at a.b", 1.0, took_place=False),
            Trial("QEMU killed + killed at a.b", None, ("one", "two")),
        ]
    )
    rows = [line.split("  ") for line in said.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[0] == ["fault", "tried", "median s", "worst s", "violations", "judged"]
    assert cells[2:] == [
        ["QEMU killed", "3", "5.0", "9.0", "0", "3 of 4"],
        ["killed at a.b", "0 (1 not reached)", "-", "-", "0", "0 of 0"],
        ["two at once", "1", "-", "-", "2", "0 of 0"],
    ]


class Kind:
    """Placement, which remembers what it has done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.done.append(environ["REQUEST_METHOD"])
        start_response("204 No Content", [])
        return [b""]


def status(kind: Kind, orders: Path, method: str, path: str = "/allocations/1") -> str:
    said: list[str] = []
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path}
    list(unkind(kind, orders)(environ, lambda status, headers: said.append(status)))
    (answer,) = said
    return answer


def test_placement_is_unkind_to_writes_of_allocations_while_a_file_says_so(tmp_path: Path) -> None:
    kind, orders = Kind(), tmp_path / "orders"
    assert status(kind, orders, "PUT") == "204 No Content"
    orders.write_text(json.dumps({"status": 409}))
    assert status(kind, orders, "PUT") == "409 Conflict"
    assert status(kind, orders, "GET") == "204 No Content"
    assert status(kind, orders, "PUT", "/resource_providers/1/inventories") == "204 No Content"
    assert kind.done == ["PUT", "GET", "PUT"]


def test_placement_can_do_what_it_answers_an_error_to(tmp_path: Path) -> None:
    kind, orders = Kind(), tmp_path / "orders"
    orders.write_text(json.dumps({"status": 500, "after": True}))
    assert status(kind, orders, "PUT") == "500 Internal Server Error"
    assert kind.done == ["PUT"]


def test_polled_returns_what_is_left_when_the_time_is_over() -> None:
    answers = iter([["one", "two"], ["two"]])
    times = iter([(False, False), (True, True)])
    asked: list[bool] = []

    def problems(explained: bool) -> list[str]:
        asked.append(explained)
        return next(answers)

    assert polled(problems, lambda: next(times), lambda: None) == ["two"]
    assert asked == [False, True]


def test_polled_returns_at_once_when_there_is_no_problem() -> None:
    assert polled(lambda explained: [], lambda: (False, False), pytest.fail) == []
