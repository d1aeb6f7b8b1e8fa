# SPDX-License-Identifier: Apache-2.0
"""Pages of recorded servers and a server's history, as the SDK reads them from answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nova_xloud.client import Size, Xloud, errors
from nova_xloud.core.sizing.bounds import MEMORY, VCPUS

LINK = "http://elsewhere/v2.1/os-xloud-servers?converged=false&limit=2&marker={}"


def entry(name: str, **more: Any) -> dict[str, Any]:
    condition = {"type": "Converged", "status": False, "reason": "xloud.admitted"}
    return {
        "id": name,
        "name": name,
        "project_id": "p",
        "vm_state": "active",
        "min_vcpus": 1,
        "max_vcpus": 4,
        "min_memory_mb": 512,
        "max_memory_mb": 1024,
        "boot_vcpus": 2,
        "boot_memory_mb": 640,
        VCPUS: {"desired": 3, "reserved": 2},
        MEMORY: {"desired": 768, "reserved": 512},
        "generation": 1,
        "converged": False,
        "conditions": [{**condition, "message": "", "since": ""}],
        **more,
    }


class Compute:
    """In place of ``Connection.compute``: answers from a list, and notes what was asked for."""

    def __init__(self, *bodies: dict[str, Any], status: int = 200) -> None:
        self._bodies, self._status = list(bodies), status
        self.asked: list[tuple[str, dict[str, str]]] = []

    def get(self, path: str, *, params: dict[str, str], skip_cache: bool) -> Any:
        assert skip_cache
        self.asked.append((path, params))
        body = self._bodies.pop(0)
        return SimpleNamespace(status_code=self._status, headers={}, json=lambda: body)


def page(*names: str, following: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {"xloud_servers": [entry(name) for name in names]}
    if following:
        body["xloud_servers_links"] = [{"rel": "next", "href": LINK.format(following)}]
    return body


def test_pages_are_followed_by_their_links() -> None:
    compute = Compute(page("a", "b", following="b"), page(following="d"), page("e"))
    found = list(Xloud(compute).recorded_servers(converged=False))
    assert [one.id for one in found] == ["a", "b", "e"]
    assert compute.asked == [
        ("/os-xloud-servers", {"converged": "false"}),
        ("/os-xloud-servers", {"converged": "false", "limit": "2", "marker": "b"}),
        ("/os-xloud-servers", {"converged": "false", "limit": "2", "marker": "d"}),
    ]


def test_what_is_asked_for_is_in_the_query() -> None:
    compute = Compute(page())
    query = {"project_id": "p", "all_projects": True, "host": "h", "limit": 5, "marker": "m"}
    assert list(Xloud(compute).recorded_servers(**query)) == []
    ((_, params),) = compute.asked
    assert params == {
        "project_id": "p", "all_projects": "true", "host": "h", "limit": "5", "marker": "m",
    }  # fmt: skip


def test_no_page_is_read_beyond_the_limit() -> None:
    compute = Compute(page("a", "b", following="b"))
    assert [one.id for one in Xloud(compute).recorded_servers(2)] == ["a", "b"]
    assert len(compute.asked) == 1


def test_a_server_has_its_sizes() -> None:
    (server,) = Xloud(Compute(page("a"))).recorded_servers()
    assert (server.minimum, server.maximum) == (Size(1, 512), Size(4, 1024))
    assert server.boot == Size(2, 640)
    assert (server.desired, server.reserved) == (Size(3, 768), Size(2, 512))
    assert (server.host, server.autoscale, server.converged) == (None, None, False)
    assert server.reasons == ("xloud.admitted",)


def test_history_is_newest_first() -> None:
    told = {
        "at": "2026-11-30T14:05:11Z",
        "by": "autoscale",
        "request_id": "req-1",
        "from": {"vcpus": 1, "memory_mb": 512},
        "to": {"vcpus": 3, "memory_mb": 768},
        "outcome": "converged",
        "code": "xloud.converged",
    }
    compute = Compute({"xloud_history": [told, {**told, "request_id": "req-0"}]})
    newest, older = Xloud(compute).get_history(SimpleNamespace(id="a"))
    assert (newest.before, newest.after, newest.by) == (Size(1, 512), Size(3, 768), "autoscale")
    assert (newest.outcome, newest.code, newest.body) == ("converged", "xloud.converged", told)
    assert (newest.request_id, older.request_id) == ("req-1", "req-0")
    assert compute.asked == [("/servers/a/xloud-history", {})]


def test_older_api_is_told_as_such() -> None:
    xloud = Xloud(Compute({}, {}, status=404))
    with pytest.raises(errors.NotInstalled, match="or with an older one"):
        xloud.get_history(SimpleNamespace(id="a"))
    with pytest.raises(errors.NotInstalled):
        next(xloud.recorded_servers())
