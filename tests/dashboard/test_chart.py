"""The chart as a picture: what is drawn of samples and adjustments, and what of their gaps."""

import unittest
from typing import Any

from nova_xloud.client import PastAdjustment
from xloud_dashboard.size.chart import Chart, Line, Span, charts_of

SPAN = Span(1000.0, 2000.0, 59.0)


def chart(vcpus: dict[str, list[Any]], history: Any = (), span: Span = SPAN) -> Chart:
    (found,) = charts_of(span, {"vcpus": vcpus}, history)
    return found


def line(*samples: tuple[float, int | None]) -> Line:
    """The line of what is claimed, of a server with at most 4 vCPUs."""
    lines = chart({"maximum": [(1000.0, 4)], "reserved": list(samples)}).lines
    return next(one for one in lines if one.name == "reserved")


def adjusted(at: str) -> PastAdjustment:
    sizes = {"from": {"vcpus": 1, "memory_mb": 512}, "to": {"vcpus": 3, "memory_mb": 768}}
    who = {"by": "admin", "request_id": "req-1", "outcome": "converged", "code": "xloud.converged"}
    return PastAdjustment.from_body({"at": at} | sizes | who)


class ChartTests(unittest.TestCase):
    def test_number_is_drawn_until_the_next_sample(self) -> None:
        told = line((1000.0, 1), (1050.0, 3), (1100.0, 3))
        self.assertEqual(told.pieces, ("0.0,75.0 50.0,75.0 50.0,25.0 100.0,25.0",))

    def test_largest_number_is_the_upper_end(self) -> None:
        told = chart({"maximum": [(1000.0, 4)], "observed": [(1000.0, 6)]})
        self.assertEqual(told.top, 6)
        self.assertEqual(told.lines[1].pieces, ("0.0,0.0 0.0,0.0",))

    def test_missing_samples_are_a_gap(self) -> None:
        told = line((1000.0, 4), (1050.0, 4), (1110.0, 4), (1160.0, 4))
        self.assertEqual(told.pieces, ("0.0,0.0 50.0,0.0", "110.0,0.0 160.0,0.0"))

    def test_unknown_number_is_a_gap_and_no_zero(self) -> None:
        told = line((1000.0, 4), (1020.0, None), (1040.0, 4))
        self.assertEqual(told.pieces, ("0.0,0.0 0.0,0.0", "40.0,0.0 40.0,0.0"))
        self.assertEqual((told.low, told.high, told.last), (4, 4, 4))

    def test_zero_is_a_number(self) -> None:
        told = line((1000.0, 0), (1050.0, 0))
        self.assertEqual(told.pieces, ("0.0,100.0 50.0,100.0",))
        self.assertEqual(chart({"observed": [(1000.0, 0)]}).top, 0)

    def test_number_that_was_never_known_has_no_line(self) -> None:
        told = chart({"maximum": [(1000.0, 4)], "observed": [(1000.0, None)]})
        self.assertEqual([one.name for one in told.lines], ["maximum"])

    def test_resource_without_a_sample_has_no_chart(self) -> None:
        self.assertEqual(charts_of(SPAN, {"vcpus": {"observed": [(1000.0, None)]}}, ()), ())
        self.assertEqual(charts_of(SPAN, {}, [adjusted("1970-01-01T00:20:00Z")]), ())

    def test_samples_outside_the_time_are_left_out(self) -> None:
        told = line((999.0, 9), (1000.0, 2), (2000.0, 2), (2001.0, 9))
        self.assertEqual((told.low, told.high), (2, 2))

    def test_adjustments_of_that_time_are_marks(self) -> None:
        moments = ("1970-01-01T00:25:00Z", "1970-01-01T00:20:00Z", "1970-01-01T01:00:00Z", "when?")
        told = chart({"maximum": [(1000.0, 4)]}, [adjusted(at) for at in moments])
        self.assertEqual([mark.x for mark in told.marks], ["200.0", "500.0"])
        self.assertEqual(
            told.marks[0].text,
            "1970-01-01T00:20:00Z: 1 vCPU, 512 MiB to 3 vCPUs, 768 MiB, converged",
        )

    def test_words_say_what_the_picture_shows(self) -> None:
        told = chart(
            {"maximum": [(1000.0, 4)], "reserved": [(1000.0, 1), (1050.0, 3), (1060.0, 2)]},
            [adjusted("1970-01-01T00:20:00Z")],
        )
        self.assertEqual(
            told.in_words,
            "vCPUs from 00:16 UTC to 00:33 UTC: maximum always 4; claimed from 1 to 3, last 2 "
            "vCPUs. Adjustments: 1970-01-01T00:20:00Z: 1 vCPU, 512 MiB to 3 vCPUs, 768 MiB, "
            "converged.",
        )
