"""Where the time goes, of spans."""

import pytest

from tests.bench.stages import HTTP, WAITING, Span, Trace, rows

# Two trips to the host, then a run in another thread of the host.
SPANS = (
    Span("api", 0.1, 0.9, "api-1"),
    Span("api: quota", 0.1, 0.2, "api-1"),
    Span("rpc", 0.3, 0.8, "api-1"),
    Span("host", 0.4, 0.7, "compute-1"),
    Span("guest read", 0.4, 0.5, "compute-1"),
    Span("claim written", 0.5, 0.7, "compute-1"),
    Span("guest read", 1.0, 1.1, "compute-2"),
    Span("step: memory", 1.1, 1.4, "compute-2"),
    Span("guest read", 2.4, 2.6, "compute-2"),
)
TRACE = Trace(0.0, 1.0, 2.0, 2.6, SPANS)


def found():
    return {name: numbers for name, *numbers in rows(TRACE)}


def test_what_is_within_another_counts_once():
    told = found()
    assert told["api: the rest"] == [1, pytest.approx(200), 0, 0]
    assert told["RPC: there and back"] == [1, pytest.approx(200), 0, 0]
    assert told["host: deciding, and the rest"][1] == pytest.approx(0)
    assert told["claim written"][1] == pytest.approx(200)


def test_a_stage_is_told_by_phase():
    assert found()["guest read"] == [3, 100, 100, 200]
    assert found()["step: memory"] == [1, 0, 300, 0]


def test_unaccounted_time_is_http_before_the_answer_and_waiting_after():
    assert found()[HTTP] == [1, pytest.approx(200), 0, 0]
    assert found()[WAITING] == [1, 0, pytest.approx(600), pytest.approx(400)]


def test_the_columns_add_up_to_the_three_times():
    sums = [sum(row[column] for row in rows(TRACE)) for column in (2, 3, 4)]
    assert sums == [pytest.approx(1000), pytest.approx(1000), pytest.approx(600)]


def test_it_may_be_seen_before_it_is_answered():
    trace = Trace(0.0, 1.0, 0.95, 2.6, SPANS)
    sums = [sum(row[column] for row in rows(trace)) for column in (2, 3, 4)]
    assert sums == [pytest.approx(1000), 0, pytest.approx(1600)]
