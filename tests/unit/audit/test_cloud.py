# SPDX-License-Identifier: Apache-2.0
"""How instances are read: page by page, and none of a page that is read stays."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from nova import objects
from nova.scheduler.client import report
from oslo_db import exception as db_exception

from nova_xloud.audit import cloud
from nova_xloud.audit.cloud import Cloud, Host
from nova_xloud.audit.report import Unread

objects.register_all()

UUIDS = [f"uuid-{number}" for number in range(5)]


class Instance:
    """Keeps itself, as Nova's do: each dict in one has the object."""

    def __init__(self, uuid: str, host: str = "host1") -> None:
        self.uuid = uuid
        self.host = host
        self.itself = self


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Python does not look for cycles by itself."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_what_was_read_before_is_gone_when_a_page_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[weakref.ref[Instance]] = []
    alive: list[int] = []

    def page(context: Any, filters: Any, marker: str | None, **options: Any) -> list[Instance]:
        alive.append(sum(one() is not None for one in given))
        first = 0 if marker is None else UUIDS.index(marker) + 1
        found = [Instance(uuid) for uuid in UUIDS[first : first + cloud.PAGE]]
        given.extend(map(weakref.ref, found))
        return found

    monkeypatch.setattr(cloud, "PAGE", 2)
    monkeypatch.setattr(objects.InstanceList, "get_by_filters", page)
    assert [instance.uuid for instance in cloud._pages(None, {})] == UUIDS
    # The last of a page is still in the hands of whoever iterates.
    assert alive == [0, 1, 1]


def test_those_of_a_host_are_read_some_at_a_time_in_a_context_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[str]] = []
    contexts: list[Any] = []

    def some(context: Any, filters: Any, **options: Any) -> list[Instance]:
        asked.append(filters["uuid"])
        contexts.append(context)
        return [Instance(u, "host2" if u == UUIDS[3] else "host1") for u in filters["uuid"]]

    monkeypatch.setattr(cloud, "CHUNK", 2)
    monkeypatch.setattr(objects.InstanceList, "get_by_filters", some)
    monkeypatch.setattr(report, "report_client_singleton", lambda: None)
    host = Host("host1", "host1", "provider1", SimpleNamespace(cell="one"), True)
    read = Cloud(SimpleNamespace()).instances_on(host, UUIDS)  # type: ignore[arg-type]
    # One has moved away meanwhile.
    assert [one.uuid for one in read] == [*UUIDS[:3], UUIDS[4]]
    assert asked == [UUIDS[:2], UUIDS[2:4], UUIDS[4:]]
    assert all(context is contexts[0] for context in contexts)
    assert contexts[0] is not host.context
    assert contexts[0].cell == "one"


def test_actions_that_cannot_be_read_are_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: Any, **options: Any) -> Any:
        raise db_exception.DBConnectionError("the cell's database is away")

    monkeypatch.setattr(objects.InstanceActionList, "get_by_instance_uuid", gone)
    with pytest.raises(Unread, match=r"actions of instance uuid-0 .* database is away"):
        Cloud.seconds_since_start(None, None, "uuid-0")  # type: ignore[arg-type]
