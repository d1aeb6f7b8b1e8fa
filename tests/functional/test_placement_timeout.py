# SPDX-License-Identifier: Apache-2.0
"""A Placement that hangs is not waited for."""

import contextlib
import math
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from keystoneauth1 import adapter, noauth, session
from keystoneauth1 import exceptions as ks_exc
from nova import context as nova_context
from nova.scheduler.client import report

from lab.patience import LIMIT
from nova_xloud.adapters.placement import PlacementClaims, PlacementProbe, with_timeout
from nova_xloud.compute.ports import Reservation
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.bounds import FlavorFacts
from nova_xloud.errors import PlacementUnavailable
from tests.functional.base import AdjustTestCase

SECONDS = 0.2
HERE = "provider"


@contextlib.contextmanager
def _hanging():
    """Somebody who listens and never says anything; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def _client(url):
    its = session.Session(auth=noauth.NoAuth(endpoint=url))
    return report.SchedulerReportClient(adapter=adapter.Adapter(its, service_type="placement"))


@pytest.mark.parametrize("call", ["read", "write"])
def test_a_call_ends_when_it_has_taken_too_long(call):
    held = {"allocations": {HERE: {"resources": {"VCPU": 1, "MEMORY_MB": 512}}}}
    current = Reservation(Size(1, 512), {**held, "consumer_generation": 1})
    facts = FlavorFacts(Size(4, 1024))
    with _hanging() as url:
        client, context = with_timeout(_client(url), SECONDS), nova_context.get_admin_context()
        claims = PlacementClaims(client, context, "consumer", HERE, facts)
        ask = {"read": claims.read, "write": lambda: claims.write(current, Size(2, 768))}[call]
        with pytest.raises(PlacementUnavailable, match=r"[Tt]imed out"):
            ask()


def test_allocations_of_a_pass_time_out_when_placement_hangs():
    with _hanging() as url, pytest.raises(ks_exc.ConnectTimeout):
        with_timeout(_client(url), SECONDS).get_allocations_for_resource_provider(
            nova_context.get_admin_context(), HERE
        )


def test_whether_it_hangs_is_found_out_without_anybody_who_waits():
    with _hanging() as url:
        probe = PlacementProbe(with_timeout(_client(url), SECONDS))
        assert not probe.answers(within=0.0)
        # Its time has run out meanwhile.
        assert not probe.answers(within=30.0)


def test_refused_connection_to_placement_counts_as_an_answer():
    with _hanging() as url:
        pass
    assert PlacementProbe(with_timeout(_client(url), SECONDS)).answers(within=30.0)


@pytest.mark.parametrize("call", ["get", "put"])
def test_clock_that_was_set_back_keeps_no_request_waiting(call):
    client, before = with_timeout(_client("http://127.0.0.1:1"), SECONDS), time.time() - 600
    with (
        mock.patch("time.time", return_value=before),
        mock.patch("time.sleep", side_effect=AssertionError("it waits")),
        pytest.raises(ks_exc.ConnectFailure),
    ):
        getattr(client, call)("/allocations", **({"data": {}} if call == "put" else {}))


def test_clock_that_was_set_back_keeps_nova_not_waiting():
    """Nova's periodic tasks and the pass of nova-xloud share a thread."""
    client, before = _client("http://127.0.0.1:1"), time.time() - 600
    with (
        mock.patch("time.time", return_value=before),
        mock.patch("time.sleep", side_effect=AssertionError("it waits")),
        pytest.raises(ks_exc.ConnectFailure),
    ):
        client.get("/resource_providers")


def test_who_has_just_had_an_answer_is_not_asked_for_one():
    client = with_timeout(_client("http://127.0.0.1:1"), SECONDS)
    with pytest.raises(ks_exc.ConnectFailure):
        client.get("/")
    client.get = None
    assert PlacementProbe(client).answers(within=0.0)


class Hangs(AdjustTestCase):
    """Placement, for the compute host alone."""

    def test_a_users_stop_does_not_wait_for_it(self):
        client = self.computes["host1"].manager.xloud_ports.placement
        ends, asked = threading.Event(), threading.Event()

        def hang(*args, **kwargs):
            asked.set()
            assert ends.wait(LIMIT)
            raise ks_exc.ConnectTimeout("an example")

        hangs = [mock.patch.object(client, name, hang) for name in ("get", "put")]
        with hangs[0], hangs[1], ThreadPoolExecutor(1) as pool:
            client.answered = -math.inf
            refused = pool.submit(
                self._refused, 503, "xloud.placement_unavailable", current_vcpus=2
            )
            assert asked.wait(LIMIT)
            self._stop_server(self.server)
            ends.set()
            assert "Placement does not answer" in refused.result()
        assert self._reserved(self.server) == {"VCPU": 1, "MEMORY_MB": 512}

    def test_a_status_is_answered_from_the_database(self):
        self._has(1, 512)
        client = self.computes["host1"].manager.xloud_ports.placement
        for error in (ks_exc.ConnectTimeout("an example"), ks_exc.ConnectFailure("an example")):
            client.answered = -math.inf
            with mock.patch.object(client, "get", side_effect=error):
                status = self._status()
            assert status["source"] == "database"
            assert status["vcpus"] == {
                "desired": 1,
                "reserved": 1,
                "actuated": None,
                "observed": None,
            }
