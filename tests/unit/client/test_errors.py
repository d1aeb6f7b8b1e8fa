# SPDX-License-Identifier: Apache-2.0
"""Answers of the API as exceptions, and what each says to do next."""

from __future__ import annotations

import pytest
from openstack.exceptions import HttpException, SDKException

from nova_xloud import errors as servers
from nova_xloud.client import errors
from nova_xloud.client.advice import next_step
from nova_xloud.core.remedies.table import REMEDIES
from tests.unit.client.bodies import response


def answer(status: int, message: str) -> Exception:
    told = {"someFault": {"code": status, "message": message}}
    with pytest.raises(SDKException) as error:
        errors.check(response(status, told))
    return error.value


@pytest.mark.parametrize("refusal", servers.Refused.__subclasses__())
def test_every_refusal_of_the_api_has_a_class_here(refusal: type[servers.Refused]) -> None:
    if refusal.__name__.startswith("_"):
        return
    is_blocked = refusal is servers.Blocked
    made = servers.Blocked("vfio", "why") if is_blocked else refusal("why")
    got = answer(made.status, str(made))
    assert isinstance(got, errors.AdjustmentRefused)
    assert type(got).__name__ == refusal.__name__
    assert (got.code, got.message) == (made.reason_code, "why")
    assert (got.http_status, got.request_id) == (made.status, "req-1")
    assert str(got) == str(made)
    assert got.next_step


def test_a_code_of_a_later_version_is_a_refusal_all_the_same() -> None:
    got = answer(409, "xloud.something_new: because: of this\nand that")
    assert type(got) is errors.AdjustmentRefused
    assert (got.code, got.message) == ("xloud.something_new", "because: of this\nand that")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, errors.Forbidden), (404, errors.NotFound), (409, errors.InvalidState)],
)
def test_novas_own_messages_go_by_their_status(status: int, kind: type[Exception]) -> None:
    got = answer(status, "Instance is locked")
    assert type(got) is kind
    assert (got.code, got.message) == ("", "Instance is locked")


def test_what_is_no_answer_of_nova() -> None:
    with pytest.raises(errors.NotInstalled) as error:
        errors.check(response(404, "404 Not Found\n\nThe resource could not be found."))
    assert "without nova-xloud" in str(error.value)
    for status in (500, 502, 503, 400, 409):
        with pytest.raises(HttpException) as failed:
            errors.check(response(status, "<html>no server is there</html>"))
        assert not isinstance(failed.value, errors.ClientError)
    errors.check(response(202, {}))


def test_advice_is_that_of_the_table_as_plain_text() -> None:
    for code, remedy in REMEDIES.items():
        assert next_step(code) == remedy.do.replace("`", "") != ""
    assert next_step("xloud.blocked.later", 404) == next_step("xloud.blocked")


def test_advice_goes_by_the_status_where_the_code_has_none() -> None:
    assert next_step("", 409) != next_step("", 404) != ""
    assert next_step("xloud.unknown", 404) == next_step("", 404)
    assert next_step("xloud.unknown", 500) == next_step("") == ""
