# SPDX-License-Identifier: Apache-2.0
"""Nova's lock of an instance: Nova's operations are waited for briefly, ours until they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from nova import utils

from nova_xloud.adapters.locks import InstanceLocks
from nova_xloud.errors import InvalidState


@contextmanager
def _elsewhere(take: object) -> Iterator[threading.Event]:
    """Another thread has what ``take`` takes, until the event that this yields is set."""
    has_it, ends = threading.Event(), threading.Event()

    def run() -> None:
        with take:  # type: ignore[attr-defined]
            has_it.set()
            ends.wait(30)

    thread = threading.Thread(target=run)
    thread.start()
    assert has_it.wait(10)
    try:
        yield ends
    finally:
        ends.set()
        thread.join()


@contextmanager
def _nova(uuid: str) -> Iterator[None]:
    """As an operation of nova-compute takes it."""
    began, ends = threading.Event(), threading.Event()

    @utils.synchronized(uuid)
    def operation() -> None:
        began.set()
        ends.wait(30)

    thread = threading.Thread(target=operation)
    thread.start()
    assert began.wait(10)
    try:
        yield
    finally:
        ends.set()
        thread.join()


def test_an_operation_of_novas_is_not_waited_for_longer_than_it_is_said() -> None:
    locks = InstanceLocks()
    refused = pytest.raises(InvalidState, match="another operation has held the instance")
    with _nova("one"), refused, locks.hold("one", 0.05):
        raise AssertionError("Nova's operation goes on")


def test_it_is_free_again_when_that_is_done_and_after_one_that_fails() -> None:
    locks = InstanceLocks()
    with _nova("one"):
        pass
    with pytest.raises(KeyError), locks.hold("one", 0.05):
        raise KeyError
    with locks.hold("one", 0.05):
        pass


def test_another_instance_is_not_kept_waiting() -> None:
    locks = InstanceLocks()
    with _nova("one"), locks.hold("other", 0.05):
        pass


def test_what_we_do_with_it_is_waited_for_however_long_it_takes() -> None:
    locks = InstanceLocks()
    with _elsewhere(locks.hold("one", 0.05)) as ends:
        threading.Timer(0.4, ends.set).start()
        with locks.hold("one", 0.05):
            assert ends.is_set()


def test_while_we_have_it_novas_operations_wait() -> None:
    locks, done = InstanceLocks(), threading.Event()

    @utils.synchronized("one")
    def operation() -> None:
        done.set()

    with locks.hold("one", 0.05):
        thread = threading.Thread(target=operation)
        thread.start()
        assert not done.wait(0.2)
    thread.join(10)
    assert done.is_set()
