# SPDX-License-Identifier: Apache-2.0
"""Whether Nova's services run with nova-xloud."""

from __future__ import annotations

import pytest

from nova_xloud.core.checks.services import (
    FAULT_POINTS,
    About,
    ApiAnswer,
    Runs,
    Service,
    how_api_runs,
    judge_api,
    judge_services,
)
from nova_xloud.core.checks.upgrade_check import Level

HERE = About("1.0", "1.3")
SUCCESS, WARNING, FAILURE = Level.SUCCESS, Level.WARNING, Level.FAILURE


def service(runs: Runs, host: str = "a", about: About | None = None, why: str = "") -> Service:
    if runs is Runs.EXTENDED and about is None:
        about = HERE
    return Service("nova-x", host, runs, about, why)


GOOD = service(Runs.EXTENDED, "good")


@pytest.mark.parametrize(
    ("other", "level", "words"),
    [
        (service(Runs.EXTENDED), SUCCESS, "With nova-xloud: good, a."),
        (service(Runs.STOCK), FAILURE, "nova-x on a: runs without nova-xloud; start it with"),
        (service(Runs.OLDER), WARNING, "nova-x on a: runs with a nova-xloud that is too old"),
        (service(Runs.DOWN), WARNING, "nova-x on a: it is down, and was not asked; start it"),
        (service(Runs.SILENT, why="no broker"), WARNING, "nova-x on a did not answer: no broker"),
        (
            service(Runs.EXTENDED, about=About("0.9", "1.3")),
            WARNING,
            "nova-x on a runs with nova-xloud 0.9 (RPC 1.3), and here is nova-xloud 1.0 (RPC 1.3)",
        ),
        (service(Runs.EXTENDED, about=About("1.0", "1.4")), WARNING, "RPC 1.4"),
    ],
    ids=["extended", "stock", "older", "down", "silent", "package", "rpc"],
)
def test_one_that_is_not_as_the_others(other: Service, level: Level, words: str) -> None:
    verdict = judge_services("nova-x", [GOOD, other], HERE)
    assert verdict.level is level
    assert words in verdict.details
    if other.runs is not Runs.EXTENDED:
        assert verdict.details.endswith("With nova-xloud: good.")


def test_a_service_with_fault_points_on_is_a_failure_that_names_the_way_out() -> None:
    armed = About(HERE.package, HERE.rpc_version, {FAULT_POINTS: "/lab/points"})
    verdict = judge_services("nova-x", [GOOD, service(Runs.EXTENDED, about=armed)], HERE)
    assert verdict.level is FAILURE
    assert "nova-x on a kills itself where a test says so" in verdict.details
    assert "NOVA_XLOUD_FAULT_POINT is set to /lab/points" in verdict.details
    assert "unset the variable and restart the service" in verdict.details


def test_a_stock_compute_can_be_lived_with() -> None:
    stock = Service("nova-compute", "a", Runs.STOCK)
    assert judge_services("nova-compute", [stock], HERE).level is WARNING
    stock = Service("nova-conductor", "a", Runs.STOCK)
    assert judge_services("nova-conductor", [stock], HERE).level is FAILURE


def test_hosts_with_the_same_are_told_together() -> None:
    stock = [service(Runs.STOCK, host) for host in ("a", "b", "c")]
    (issue,) = judge_services("nova-x", stock, HERE).issues
    assert "nova-x on a, b, c: runs without" in issue.what


def test_options_are_no_difference() -> None:
    other = service(Runs.EXTENDED, about=About("1.0", "1.3", {"[a] b": 1}))
    assert judge_services("nova-x", [other], HERE).level is SUCCESS


def test_no_service_of_a_kind_is_a_warning() -> None:
    verdict = judge_services("nova-x", [], HERE)
    assert verdict.level is WARNING
    assert "no record of a nova-x" in verdict.details


UUID = "9f5a2c1e-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    ("status", "body", "runs"),
    [
        (404, f'{{"itemNotFound": {{"message": "Instance {UUID} could not be found."}}}}', "ours"),
        (403, "Policy doesn't allow os_compute_api:xloud:status to be performed.", "ours"),
        (404, "The resource could not be found.", "stock"),
        (404, "", "stock"),
        (401, "who are you", "unknown"),
        (403, "not your project", "unknown"),
        (503, f"no backend for {UUID}", "unknown"),
        (200, "{}", "unknown"),
    ],
)
def test_how_an_api_runs(status: int, body: str, runs: str) -> None:
    kinds = {"ours": Runs.EXTENDED, "stock": Runs.STOCK, "unknown": Runs.SILENT}
    found, why = how_api_runs(status, body, UUID)
    assert found is kinds[runs]
    assert (f"it answered {status}" in why) == (runs == "unknown")


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (ApiAnswer("http://a", Runs.EXTENDED), SUCCESS, "With nova-xloud: http://good, http://a."),
        (ApiAnswer("http://a", Runs.STOCK), FAILURE, "nova-api at http://a runs without"),
        (ApiAnswer("http://a", Runs.SILENT, "refused"), WARNING, "was not checked: refused"),
    ],
)
def test_apis(answer: ApiAnswer, level: Level, words: str) -> None:
    verdict = judge_api([ApiAnswer("http://good", Runs.EXTENDED), answer], ())
    assert verdict.level is level
    assert words in verdict.details


def test_one_answer_of_several_apis_is_not_all() -> None:
    answers = [ApiAnswer("http://good", Runs.EXTENDED)]
    assert judge_api(answers, ["a"]).level is SUCCESS
    verdict = judge_api(answers, ["a", "b"])
    assert verdict.level is WARNING
    assert "started on a, b, and only one" in verdict.details
