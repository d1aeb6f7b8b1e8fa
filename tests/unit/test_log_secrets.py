# SPDX-License-Identifier: Apache-2.0
"""The scan of logs finds what it is for, and only that."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.log_secrets import secrets_in, secrets_in_files

TOKEN = "gAAAAABn" + "aB3_-" * 30
SECRET = [
    ("a token of Keystone", f"GET /v3 with {TOKEN}"),
    ("a header with a token", "curl -H 'X-Auth-Token: 0123456789abcdef'"),
    ("a header with a token", '{"X-Subject-Token": "0123456789abcdef"}'),
    ("a header with a token", "{'X-Service-Token': b'0123'}"),
    ("a header with a password", "Authorization: Basic bm92YTpub3Zh"),
    ("a header with a password", "{'authorization': 'Bearer abc'}"),
    ("a password", "body: {'adminPass': 'x7PqJ3'}"),
    ("a password", '{"password": "x7PqJ3"}'),
    ("a password", "keystone_authtoken.password = x7PqJ3"),
    ("a password", "OS_BOOTSTRAP_PASSWORD=x7PqJ3"),
    ("a password in a URL", "transport_url = rabbit://nova:x7PqJ3@10.0.0.1:5672/"),
    ("a password in a URL", "connection = mysql+pymysql://nova:x7PqJ3@db/nova"),
    ("a private key", "-----BEGIN RSA PRIVATE KEY-----"),
]
NO_SECRET = [
    "curl -H 'X-Auth-Token: {SHA256}5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27f'",
    "placement.password              = ****",
    "{'adminPass': '***', 'name': 'a'}",
    '{"password": "***"}',
    "transport_url                  = ****",
    "rabbit://nova:***@10.0.0.1:5672/",
    "http://controller:8774/v2.1/servers and a@b",
    "http://[::1]:8774/ user@host",
    "password: None",
    "The password was changed.",
    "'x-auth-token': None",
    "Instance b1a5: host host1 is asked for vcpus=3 memory_mb=768.",
]


@pytest.mark.parametrize(("kind", "line"), SECRET)
def test_a_secret_is_found_and_not_shown(kind: str, line: str) -> None:
    (found,) = secrets_in([f"2026-11-29 INFO nova {line}\n"], "nova.log")
    assert found.kind == kind
    assert str(found).startswith(f"nova.log:1: {kind}: ")
    assert not any(one in found.line for one in ("x7PqJ3", "0123", "bm92YTpub3Zh", "abc", TOKEN))
    assert "[...]" in found.line


def test_no_secret_is_shown_of_a_line_that_has_several() -> None:
    line = f"password=x7PqJ3, {TOKEN}, mysql://nova:5eCr3t!@db/nova, secret_key=hunter2"
    (found,) = secrets_in([line], known={"hunter2": "the key"})
    assert found.kind == "the key"
    assert found.line == "password=[...], [...], mysql://nova:[...]@db/nova, secret_key=[...]"


@pytest.mark.parametrize("line", NO_SECRET)
def test_what_only_looks_like_one_is_not_found(line: str) -> None:
    assert list(secrets_in([line])) == []


def test_a_secret_that_the_caller_knows_is_found_wherever_it_is(tmp_path: Path) -> None:
    log = tmp_path / "nova.log"
    log.write_bytes(b"\xff\n" + b"so: 5eCr3t!\n")
    missing = tmp_path / "none.log"
    (found,) = secrets_in_files([log, missing], {"5eCr3t!": "the password of the lab"})
    assert str(found) == f"{log}:2: the password of the lab: so: [...]"
