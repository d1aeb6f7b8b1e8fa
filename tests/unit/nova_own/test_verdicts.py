# SPDX-License-Identifier: Apache-2.0
"""What two runs of Nova's tests differ in, and that no broken run looks like no difference."""

import json

import pytest

from tests.nova_own.verdicts import Broken, Difference, Run, differences, read, settle

A = "nova/tests/unit/test_a.py::T::test_one"
B = "nova/tests/unit/test_b.py::T::test_two"
MODULE = "nova/tests/unit/test_a.py"


def lines(*records):
    return [json.dumps(record) for record in records]


def verdict(name, said, message=""):
    return {"id": name, "verdict": said, "message": message}


def run(**verdicts):
    return Run({"test_" + name: said for name, said in verdicts.items()})


class TestRead:
    def test_verdicts_and_why(self):
        found = read(lines(verdict(A, "passed"), verdict(B, "failed", "no"), {"exit": 1}))
        assert found == Run({A: "passed", B: "failed"}, {B: "no"})

    @pytest.mark.parametrize("order", [1, -1])
    def test_the_worst_report_of_a_test_decides(self, order):
        reports = [verdict(A, "passed"), verdict(A, "failed", "tear-down")][::order]
        assert read(lines(*reports, {"exit": 1})).verdict(A) == "failed"

    def test_a_module_that_cannot_be_imported(self):
        found = read(lines({"module": MODULE, "verdict": "failed", "message": "no"}, {"exit": 1}))
        assert found.uncollected == {MODULE}
        assert found.verdict(MODULE) == "failed"

    def test_a_run_without_end_is_broken(self):
        with pytest.raises(Broken, match="broke off"):
            read(lines(verdict(A, "passed")))

    @pytest.mark.parametrize("code", [2, 3, 4])
    def test_an_exit_code_that_is_no_verdict_is_broken(self, code):
        with pytest.raises(Broken, match=f"exit code {code}"):
            read(lines(verdict(A, "passed"), {"exit": code}))

    def test_a_test_of_no_module_is_broken(self):
        with pytest.raises(Broken, match="::T::test_a does not say which module"):
            read(lines(verdict("::T::test_a", "passed"), {"exit": 0}))

    def test_workers_that_collect_different_tests_are_broken(self):
        with pytest.raises(Broken, match="gw1"):
            read(lines({"module": "gw1", "verdict": "failed", "message": "..."}, {"exit": 1}))


class TestDifferences:
    def test_none(self):
        assert differences(run(a="passed", b="failed"), run(a="passed", b="failed")) == []

    def test_another_verdict(self):
        assert differences(run(a="failed"), run(a="passed")) == [
            Difference("test_a", "failed", "passed")
        ]

    @pytest.mark.parametrize(
        ("ours", "stock", "verdicts"),
        [
            (run(), run(a="passed"), ("missing", "passed")),
            (run(a="skipped"), run(), ("skipped", "missing")),
        ],
    )
    def test_in_one_run_only(self, ours, stock, verdicts):
        [found] = differences(ours, stock)
        assert (found.ours, found.stock) == verdicts

    def test_unimportable_module_is_one_difference(self):
        ours = Run({B: "passed"}, {MODULE: "ImportError"}, frozenset({MODULE}))
        stock = Run({A: "passed", B: "passed"})
        assert differences(ours, stock) == [Difference(MODULE, "failed", "missing", "ImportError")]

    def test_a_module_that_neither_can_import_differs_not(self):
        lost = Run({B: "passed"}, {}, frozenset({MODULE}))
        assert differences(lost, lost) == []

    def test_among_some_only(self):
        ours, stock = run(a="failed", b="passed"), run(a="passed")
        assert [one.name for one in differences(ours, stock, {"test_a"})] == ["test_a"]


class TestSettle:
    SUSPECT = Difference("test_a", "failed", "passed")

    def test_what_differs_each_time_is_a_difference(self):
        real, flaky = settle([self.SUSPECT], [run(a="failed")] * 3, [run(a="passed")] * 3)
        assert (real, flaky) == ([self.SUSPECT], [])

    @pytest.mark.parametrize(
        ("ours", "stock"),
        [
            (["passed"] * 3, ["passed"] * 3),
            (["failed", "passed", "failed"], ["passed"] * 3),
            (["failed"] * 3, ["passed", "failed", "passed"]),
        ],
    )
    def test_all_others_are_flaky(self, ours, stock):
        real, flaky = settle(
            [self.SUSPECT], [run(a=one) for one in ours], [run(a=one) for one in stock]
        )
        assert (real, flaky) == ([], [self.SUSPECT])

    def test_missing_each_time_is_a_difference(self):
        real, _ = settle([self.SUSPECT], [run()] * 3, [run(a="passed")] * 3)
        assert real == [self.SUSPECT]
