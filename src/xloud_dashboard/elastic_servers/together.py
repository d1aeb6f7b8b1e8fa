# SPDX-License-Identifier: Apache-2.0
"""Asks the cloud about several servers at the same time, and no longer than a page may take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from django.contrib import messages
from django.utils.translation import gettext as _

from xloud_dashboard import api

# How many requests are sent at the same time: to nova-api, and to compute hosts for what their
# guests have. Nova may have put all servers of a page on one host, which reads four at a time.
AT_ONCE = 8
READINGS = 4
# For how long the servers of one page are asked: many proxies give a page up after 60 seconds.
SECONDS = 45.0

One = TypeVar("One")
Told = TypeVar("Told")


class _TooLate(Exception):
    """The time was over before the request was sent."""


def deadline() -> float:
    """Return when what begins now has to end, in monotonic seconds."""
    return time.monotonic() + SECONDS


def each(
    request: Any,
    wanted: Sequence[One],
    call: Callable[[One], Told],
    name: Callable[[One], str],
    until: float,
    at_once: int = AT_ONCE,
) -> list[tuple[One, Told]]:
    """Call ``call`` for each of ``wanted``, and return those that were answered, in their order.

    The others get a message: those whose request has failed, those that were not asked before
    ``until``, and those that have not answered then. What was asked of the latter may still be
    done: a thread waits for the answer, and nobody sees it.

    :param call: sends one request; it is called in a thread, and may not use ``request``
    :param name: returns the name of one of ``wanted`` for people
    :param until: when to stop waiting, in monotonic seconds
    :param at_once: how many requests are sent at the same time, in the order of ``wanted``
    """

    def in_time(one: One) -> Told:
        if time.monotonic() >= until:
            raise _TooLate
        return call(one)

    pool = ThreadPoolExecutor(at_once)
    futures = [pool.submit(in_time, one) for one in wanted]
    wait(futures, max(0.0, until - time.monotonic()))
    pool.shutdown(wait=False, cancel_futures=True)
    answered, unasked, unanswered = [], [], []
    for one, future in zip(wanted, futures, strict=True):
        if not future.done():
            unanswered.append(name(one))
            continue
        try:
            answered.append((one, future.result()))
        except (CancelledError, _TooLate):
            unasked.append(name(one))
        except api.ERRORS as error:
            messages.error(request, f"{name(one)}: {error}")
    _tell_late(request, unasked, unanswered)
    return answered


def _tell_late(request: Any, unasked: Sequence[str], unanswered: Sequence[str]) -> None:
    seconds = f"{SECONDS:g}"
    if unanswered:
        told = _("Not answered within %(seconds)s seconds; what was asked may be done: %(names)s")
        messages.error(request, told % {"seconds": seconds, "names": ", ".join(unanswered)})
    if unasked:
        told = _("Not asked, because %(seconds)s seconds were over; select them again: %(names)s")
        messages.error(request, told % {"seconds": seconds, "names": ", ".join(unasked)})
