# SPDX-License-Identifier: Apache-2.0
"""nova-api is found, and asked, with what nova.conf says of Placement; answers are mocked."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
import requests_mock
from keystoneauth1 import fixture
from nova.conf import utils
from oslo_config import cfg

from nova_xloud.audit import osapi
from nova_xloud.core.checks.services import Runs

KEYSTONE = "http://keystone/v3"
NOVA = "http://nova:8774/v2.1"
NOVA_CONF = f"""
[placement]
auth_type = v3password
auth_url = {KEYSTONE}
username = nova
password = secret
user_domain_id = default
project_domain_id = default
project_name = service
region_name = here
valid_interfaces = internal
"""


def configured(folder: pathlib.Path, text: str) -> cfg.ConfigOpts:
    conf = cfg.ConfigOpts()
    utils.register_ksa_opts(conf, "placement", "placement")
    file = folder / "nova.conf"
    file.write_text(text)
    conf([], default_config_files=[str(file)])
    return conf


@pytest.fixture
def cloud(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[requests_mock.Mocker]:
    monkeypatch.setattr(osapi, "CONF", configured(tmp_path, NOVA_CONF))
    token = fixture.V3Token()
    token.set_project_scope()
    elsewhere = {"public": "http://public/", "internal": "http://elsewhere/", "region": "there"}
    token.add_service("compute").add_standard_endpoints(**elsewhere)
    token.add_service("compute").add_standard_endpoints(
        public="http://public/", internal=NOVA, region="here"
    )
    with requests_mock.Mocker() as mocker:
        mocker.get(KEYSTONE, json={"version": fixture.V3Discovery(KEYSTONE)})
        mocker.post(f"{KEYSTONE}/auth/tokens", json=token, headers={"X-Subject-Token": "t"})
        yield mocker


def test_it_is_asked_where_the_catalogue_says_with_a_token(cloud: requests_mock.Mocker) -> None:
    def answer(request: requests_mock.request._RequestObjectProxy, context: object) -> str:
        _, uuid, _ = request.path.rsplit("/", 2)
        return f"Instance {uuid} could not be found."

    cloud.get(requests_mock.ANY, status_code=404, text=answer)
    cloud.get(KEYSTONE, json={"version": fixture.V3Discovery(KEYSTONE)})
    assert osapi.ask_api() == osapi.ApiAnswer(NOVA, Runs.EXTENDED)
    asked = cloud.last_request
    assert asked.url.startswith(f"{NOVA}/servers/")
    assert asked.url.endswith("/xloud-status")
    assert (asked.headers["X-Auth-Token"], asked.timeout) == ("t", osapi.ANSWER_WITHIN)


def test_it_is_asked_where_somebody_says(cloud: requests_mock.Mocker) -> None:
    cloud.get(requests_mock.ANY, status_code=404, text="")
    cloud.get(KEYSTONE, json={"version": fixture.V3Discovery(KEYSTONE)})
    url = "http://10.0.0.11:8774/v2.1"
    assert osapi.ask_api(url) == osapi.ApiAnswer(url, Runs.STOCK)
    assert cloud.last_request.url.startswith(f"{url}/servers/")


def test_a_keystone_that_says_no_is_told(cloud: requests_mock.Mocker) -> None:
    cloud.post(f"{KEYSTONE}/auth/tokens", status_code=401)
    answer = osapi.ask_api()
    assert (answer.name, answer.runs) == (osapi.CATALOGUE, Runs.SILENT)
    assert "Unauthorized" in answer.why


@pytest.mark.parametrize(
    ("text", "named"),
    [("", "MissingAuthPlugin"), ("[placement]\nauth_type = v3passwort\n", "NoMatchingPlugin")],
)
def test_credentials_that_are_none_are_told(
    text: str, named: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(osapi, "CONF", configured(tmp_path, text))
    answer = osapi.ask_api()
    assert answer.runs is Runs.SILENT
    assert named in answer.why
