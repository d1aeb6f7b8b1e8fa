"""Several servers are asked at the same time, and no longer than a page may take."""

import threading
import time
from collections.abc import Callable
from unittest import mock

from django.contrib import messages
from django.contrib.messages.storage import default_storage
from openstack.exceptions import SDKException

from tests.dashboard.cloud import TestCase
from xloud_dashboard.elastic_servers import together

NAMES = [f"server-{number}" for number in range(20)]


class TogetherTests(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.request._messages = default_storage(self.request)

    def each(self, call: Callable[[str], str], seconds: float = 10.0) -> list[tuple[str, str]]:
        with mock.patch.object(together, "SECONDS", seconds):
            return together.each(self.request, NAMES, call, str, together.deadline())

    def said(self) -> list[str]:
        return [str(one) for one in messages.get_messages(self.request)]

    def test_eight_are_asked_at_a_time_and_answers_are_in_order(self) -> None:
        at_once, most = threading.Semaphore(0), []

        def call(name: str) -> str:
            at_once.release()
            time.sleep(0.02)
            most.append(at_once._value)
            at_once.acquire()
            return name.upper()

        self.assertEqual(self.each(call), [(name, name.upper()) for name in NAMES])
        self.assertEqual(max(most), 8)
        self.assertEqual(self.said(), [])

    def test_one_at_a_time_is_in_order(self) -> None:
        asked: list[str] = []
        together.each(self.request, NAMES, asked.append, str, together.deadline(), 1)
        self.assertEqual(asked, NAMES)

    def test_failures_are_said_in_order_and_do_not_stop_the_others(self) -> None:
        def call(name: str) -> str:
            if name in NAMES[3:5]:
                # The first to be asked is the last to fail.
                time.sleep(0.1 if name == NAMES[3] else 0)
                raise SDKException("why")
            return name

        self.assertEqual(len(self.each(call)), 18)
        self.assertEqual(self.said(), ["server-3: why", "server-4: why"])

    def test_host_that_does_not_answer_holds_the_page_for_its_seconds_only(self) -> None:
        released = threading.Event()
        self.addCleanup(released.set)

        def call(name: str) -> str:
            if name != NAMES[0]:
                released.wait(60)
            return name

        began = time.monotonic()
        self.assertEqual(self.each(call, seconds=0.5), [(NAMES[0], NAMES[0])])
        self.assertLess(time.monotonic() - began, 10)
        unanswered, unasked = self.said()
        told = "Not answered within 0.5 seconds; what was asked may be done: "
        self.assertEqual(unanswered, told + ", ".join(NAMES[1:9]))
        told = "Not asked, because 0.5 seconds were over; select them again: "
        self.assertEqual(unasked, told + ", ".join(NAMES[9:]))

    def test_second_step_of_a_page_has_what_the_first_has_left(self) -> None:
        asked: list[str] = []
        found = together.each(self.request, NAMES, asked.append, str, time.monotonic() - 1)
        self.assertEqual((found, asked), ([], []))
        self.assertIn(f"select them again: {', '.join(NAMES)}", self.said()[0])

    def test_other_errors_are_not_hidden(self) -> None:
        def call(name: str) -> str:
            raise RuntimeError(name)

        with self.assertRaises(RuntimeError):
            self.each(call)
