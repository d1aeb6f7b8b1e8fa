# SPDX-License-Identifier: Apache-2.0
"""A cell whose database does not answer: what the API tells of its servers."""

import contextlib
from unittest import mock

from nova import context as nova_context
from nova import exception
from nova.tests.fixtures.nova import PROJECT_ID
from oslo_db.exception import DBConnectionError

from tests.functional.base import AdjustTestCase
from tests.functional.raw_requests import RawRequests, refusal_of

UNAVAILABLE = (409, "xloud.host_unavailable")


def _no_answer(context, cell, *args, **kwargs):
    return {cell.uuid: nova_context.did_not_respond_sentinel}


class CellDown(RawRequests, AdjustTestCase):
    def setUp(self):
        super().setUp()
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)

    @contextlib.contextmanager
    def _cell_is_down(self):
        reads, no_answer = "nova.db.main.api.instance_get", exception.NovaException("no answer")
        with (
            mock.patch.object(nova_context, "scatter_gather_single_cell", _no_answer),
            mock.patch(f"{reads}_all_by_filters_sort", side_effect=no_answer),
            # Outside of such a call Nova gets the error of the database.
            mock.patch(f"{reads}_by_uuid", side_effect=DBConnectionError()),
        ):
            yield

    def test_status_has_the_flavor_and_says_so(self):
        known = self._status()
        with self._cell_is_down():
            status = self._status()
        assert status.keys() == known.keys()
        bounds = [f"{end}_{what}" for end in ("min", "max") for what in ("vcpus", "memory_mb")]
        assert {name: status[name] for name in bounds} == {name: known[name] for name in bounds}
        assert (status["current_vcpus"], status["current_memory_mb"]) == (1, 512)
        assert status["source"] == "database"
        assert status["vcpus"]["observed"] is None
        (converged,) = status["conditions"]
        assert (converged["type"], converged["status"]) == ("Converged", False)
        assert converged["reason"] == "xloud.host_unavailable"
        assert "cell does not answer" in converged["message"]
        blocked = {(one["resource"], one["code"]) for one in status["blockers"]}
        assert blocked == {(name, "xloud.host_unavailable") for name in ("vcpus", "memory_mb")}
        self._has(3, 768)

    def test_status_is_for_whom_it_is_else(self):
        with self._cell_is_down():
            for status, roles, project in (
                (404, "reader,member", "f" * 32),
                (200, "reader", PROJECT_ID),
            ):
                who = {"x_auth_user": "somebody", "x_roles": roles, "x_auth_project_id": project}
                assert self.send("GET", self.status_path(), **who).status_int == status, who
            # The policy comes first.
            assert refusal_of(self.adjust({"current_vcpus": 2}, **who)) == (403, "xloud.forbidden")

    def test_adjustment_plan_and_history_are_refused(self):
        with self._cell_is_down():
            answers = (
                self.adjust({"current_vcpus": 2}),
                self.adjust({"current_vcpus": 2, "dry_run": True}),
                self.send("GET", self.history_path()),
            )
        for answer in answers:
            assert refusal_of(answer) == UNAVAILABLE, answer.text
            assert "database of the server's cell does not answer" in answer.text
        self._has(3, 768)

    def test_list_leaves_out_the_servers_of_the_cell_as_novas_pages_do(self):
        with self._cell_is_down():
            answer = self.send("GET", "/v2.1/os-xloud-servers")
            pages = self.admin_api.api_get("/servers?limit=1000").body["servers"]
        assert (answer.json, pages) == ({"xloud_servers": []}, [])

    def test_list_is_refused_where_no_cell_may_be_left_out_or_the_marker_is_in_it(self):
        path = "/v2.1/os-xloud-servers"
        with self._cell_is_down():
            answer = self.send("GET", path, query=f"marker={self.server['id']}")
            assert refusal_of(answer) == UNAVAILABLE, answer.text
            self.flags(list_records_by_skipping_down_cells=False, group="api")
            answer = self.send("GET", path)
            assert refusal_of(answer) == UNAVAILABLE, answer.text
