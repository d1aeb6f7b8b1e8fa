# SPDX-License-Identifier: Apache-2.0
"""How hosts are read: each once, and side by side."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from lab.patience import LIMIT
from nova_xloud.audit.cloud import Host
from nova_xloud.audit.guests import Read
from nova_xloud.audit.invariants import Check, Options
from nova_xloud.audit.report import Unread
from nova_xloud.core.checks.invariants import ElasticInstance, Guest, Node
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts

SIZE = Size(1, 512)
HOSTS = [Host(f"host{n}", f"host{n}", f"provider{n}", None, True) for n in range(3)]


def view(number: int) -> ElasticInstance:
    """An instance on the host of that number."""
    host = HOSTS[number]
    facts = FlavorFacts(Size(4, 1024))
    return ElasticInstance(f"one-on-{host.name}", host.name, host.provider, facts, None, SIZE)


class Cloud:
    """Remembers what was asked, and answers at once.

    :ivar asked: how often Placement was asked of each host
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    def node(self, host: Host) -> Node:
        self.asked[host.name] += 1
        return Node(host.name, host.provider, {}, {})

    def instances_on(self, host: Host, uuids: Sequence[str]) -> Iterable[Any]:
        return [SimpleNamespace(uuid=uuid) for uuid in uuids]


class Answers:
    """A witness that does something first.

    :ivar asked: how often it was asked
    """

    def __init__(self, first: Callable[[], object] = lambda: None) -> None:
        self._first = first
        self.asked = 0

    def guests(self, uuids: Sequence[str], context: Any, read: Read) -> dict[str, Guest]:
        self.asked += 1
        self._first()
        return {one.uuid: Guest(SIZE) for one in read()}


def check_of(*witnesses: Answers, parallel: int = 8) -> tuple[Check, Cloud]:
    cloud = Cloud()
    by_name = {host.name: witness for host, witness in zip(HOSTS, witnesses, strict=True)}
    check = Check(cloud, HOSTS, by_name, Options(parallel=parallel))  # type: ignore[arg-type]
    return check, cloud


def read(check: Check) -> dict[str, Any]:
    return check._read(HOSTS, [view(0), view(1), view(2)], lambda hosts, of, instances: None)


def test_a_host_that_is_slow_keeps_no_other_waiting() -> None:
    others = threading.Semaphore(0)

    def wait_for_both() -> None:
        for _ in range(2):
            assert others.acquire(timeout=LIMIT)

    check, cloud = check_of(
        Answers(wait_for_both), Answers(others.release), Answers(others.release)
    )
    told = read(check)
    assert {one.node.host: dict(one.guests) for one in told.values()} == {
        host.name: {f"one-on-{host.name}": Guest(SIZE)} for host in HOSTS
    }
    assert cloud.asked == Counter(host.name for host in HOSTS)


def test_no_more_are_read_at_a_time_than_was_asked_for() -> None:
    lock, now, most = threading.Lock(), 0, 0

    def count() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        with lock:
            now -= 1

    read(check_of(*[Answers(count)] * 3, parallel=1)[0])
    assert most == 1


def test_silent_host_is_reported_and_the_others_are_read() -> None:
    def refuse() -> None:
        raise Unread("an example", "a way out")

    check, _ = check_of(Answers(refuse), Answers(), Answers())
    told = read(check)
    assert told["provider0"].guests == {}
    assert list(check._silent) == ["host0"]
    assert told["provider1"].guests == {"one-on-host1": Guest(SIZE)}


def test_one_that_did_not_answer_is_not_asked_again() -> None:
    def refuse() -> None:
        raise Unread("no answer within 60 s", "a way out")

    silent, answers = Answers(refuse), Answers()
    check, cloud = check_of(silent, answers, Answers())
    read(check)
    again = read(check)
    assert (silent.asked, answers.asked) == (1, 2)
    # Of its instances nothing is made up, and Placement is asked of it all the same.
    assert again["provider0"].guests == {}
    assert cloud.asked["host0"] == 2
    assert list(check._silent) == ["host0"]


def test_guests_of_equal_size_share_one_object() -> None:
    told = read(check_of(Answers(), Answers(), Answers())[0])
    assert len({id(guest) for one in told.values() for guest in one.guests.values()}) == 1


def test_without_placement_nothing_is_judged() -> None:
    check, cloud = check_of(Answers(), Answers(), Answers())

    def away(host: Host) -> Node:
        raise Unread("Placement could not be asked", "look at it")

    cloud.node = away  # type: ignore[method-assign]
    with pytest.raises(Unread, match="Placement"):
        read(check)
