# SPDX-License-Identifier: Apache-2.0
"""Answers of the API as exceptions, and what each says to do next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from openstack.exceptions import HttpException, SDKException

import nova_xloud
from nova_xloud import errors as servers
from nova_xloud.client import errors
from nova_xloud.client.advice import ADVICE, PLAIN, next_step
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


def test_every_code_has_advice() -> None:
    """Those of the classes, and those that are written anywhere in the source."""
    codes = {
        refused.code
        for refused in servers.Refused.__subclasses__()
        if not refused.__name__.startswith("_")
    }
    codes.add(servers.AdjustmentDeferred.code)
    root = Path(nova_xloud.__file__).parent
    for file in [*root.glob("core/**/*.py"), *root.glob("compute/*.py"), root / "errors.py"]:
        text = file.read_text()
        codes |= set(re.findall(r'"(xloud\.(?:guest_refused|blocked)[a-z_.]*[a-z])"', text))
    assert {"xloud.no_capacity", "xloud.guest_refused.memory_floor", "xloud.deferred"} <= codes
    assert [code for code in sorted(codes) if not next_step(code)] == []
    said = [code for code in ADVICE if code.startswith("xloud.guest_refused.")]
    assert set(said) == {code for code in codes if code.startswith("xloud.guest_refused.")}


def test_advice_goes_from_the_code_to_what_it_begins_with() -> None:
    assert next_step("xloud.blocked.vfio") == ADVICE["xloud.blocked"]
    assert next_step("xloud.blocked.boot_vcpus") == ADVICE["xloud.blocked.boot_vcpus"]
    assert next_step("", 409) != next_step("", 404) != ""
    assert next_step("xloud.unknown", 500) == next_step("") == ""


# Who does not know the code takes none of these for a sentence, or does not know who "it" is.
PRIVATE = re.compile(
    r"\b(likewise|see there|is told|are told|in vain|as ever|half way|is looked at|goes on)\b|"
    r"(^|[.;:] )Its? ",
    re.IGNORECASE,
)


@pytest.mark.parametrize("advice", [*ADVICE.values(), *PLAIN.values()])
def test_advice_is_of_whole_sentences_and_names_what_it_is_about(advice: str) -> None:
    assert re.match("[A-Z]|openstack |nova-xloud ", advice)
    assert advice.endswith(".")
    assert not PRIVATE.search(advice)
    if re.search(r"\b(it|its)\b", advice):
        assert re.search(r"\b(server|guest|adjustment|host)\b.*?\b(it|its)\b", advice)
