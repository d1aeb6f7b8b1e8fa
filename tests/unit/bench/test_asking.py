"""Requests to the lab, and the end of a run in a log."""

import types

import pytest
import requests_mock

from lab.errors import LabError
from lab.witnesses import Size
from tests.bench import asking

URL = "http://127.0.0.1:1"


@pytest.fixture
def cloud(tmp_path):
    host = types.SimpleNamespace(hostname="compute1", daemon=lambda name: f"{name}-compute1")
    layout = types.SimpleNamespace(
        computes=[host], logs=tmp_path, url=lambda service, path="": f"{URL}{path}"
    )
    placement = types.SimpleNamespace(
        resource_providers=lambda name: [types.SimpleNamespace(id="provider")]
    )
    connection = types.SimpleNamespace(auth_token="token", placement=placement)
    return types.SimpleNamespace(layout=layout, connection=connection)


def test_each_write_of_a_claim_names_the_generation_before(cloud):
    with requests_mock.Mocker() as http:
        http.put(requests_mock.ANY, status_code=204)
        claim = asking.Claim(cloud)
        claim.give_back()
        assert http.call_count == 0
        claim.put(Size(1, 512))
        claim.put(Size(2, 512))
        claim.give_back()
    sent = [one.json() for one in http.request_history]
    assert [one["consumer_generation"] for one in sent] == [None, 1, 2]
    assert sent[1]["allocations"] == {"provider": {"resources": {"VCPU": 2, "MEMORY_MB": 512}}}
    assert sent[2]["allocations"] == {}


def test_a_refusal_is_no_figure(cloud):
    with requests_mock.Mocker() as http:
        http.post(requests_mock.ANY, status_code=409, text="xloud.no_capacity")
        with pytest.raises(LabError, match=r"409 xloud\.no_capacity"):
            asking.Nova(cloud).adjust("server", Size(2, 512))


def test_a_run_has_ended_when_its_log_says_so(cloud, tmp_path):
    log = tmp_path / "nova-compute-compute1.log"
    log.write_text("req-1 Instance x: has reached its desired size.\n")
    asking.Log(cloud.layout).wait_for_end("req-1")
    log.write_text("req-2 Instance x: the run to its desired size failed: xloud.guest_refused\n")
    with pytest.raises(LabError, match="guest_refused"):
        asking.Log(cloud.layout).wait_for_end("req-2")
