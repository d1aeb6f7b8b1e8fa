# SPDX-License-Identifier: Apache-2.0
"""How the runs of a suite follow each other, on a pytest that is played."""

import pathlib
from dataclasses import dataclass, field

import pytest

from tests.nova_own import judge as module
from tests.nova_own.exceptions import Exceptions
from tests.nova_own.judge import Task, judge
from tests.nova_own.verdicts import Broken, Run

ROOT = pathlib.Path("/nova/tests")
MODULE = "nova/tests/unit/test_a.py"
ONE, TWO = f"{MODULE}::T::test_one", f"{MODULE}::T::test_two"


@dataclass
class Played:
    """Answers with the verdicts that a run of this name has, or else those of its kind.

    :ivar asked: what was run, and which tests only
    """

    ours: Run
    stock: Run
    alone: dict[str, Run] = field(default_factory=dict)
    asked: dict[str, set | None] = field(default_factory=dict)
    folder: pathlib.Path = pathlib.Path()
    grown: bool = False

    def run(self, name, files, *, stock, only=None):
        assert list(files) == [ROOT / "unit/test_a.py"]
        self.asked[name.removeprefix("unit-1of1-")] = only
        whole = self.stock if stock else self.ours
        run = self.alone.get(name.removeprefix("unit-1of1-"), whole)
        if only is None:
            return run
        return Run({test: said for test, said in run.verdicts.items() if test in only})


@pytest.fixture
def judged(monkeypatch):
    def judged(played, stock_for="all", reasons=()):
        monkeypatch.setattr(module, "Pytest", lambda folder, workers, grown: played)
        task = Task("unit", [ROOT / "unit/test_a.py"], ROOT, "1/1", stock_for)
        return judge(task, played, Exceptions(dict.fromkeys(reasons, "it must")))

    return judged


def test_no_difference(judged):
    played = Played(Run({ONE: "passed"}), Run({ONE: "passed"}))
    assert judged(played).clean
    assert played.asked == {"ours": None, "stock": None}


def test_a_difference_is_run_again_three_times_each_way(judged):
    played = Played(Run({ONE: "failed", TWO: "passed"}), Run({ONE: "passed", TWO: "passed"}))
    assert [one.name for one in judged(played).differences] == [ONE]
    again = {f"{way}-again-{n}": {ONE} for way in ("ours", "stock") for n in (1, 2, 3)}
    assert played.asked == {"ours": None, "stock": None} | again


def test_what_differs_once_is_flaky(judged):
    played = Played(Run({ONE: "failed"}), Run({ONE: "passed"}))
    played.alone["ours-again-2"] = Run({ONE: "passed"})
    result = judged(played)
    assert result.clean
    assert [one.name for one in result.flaky] == [ONE]


def test_a_listed_one_may_differ_and_is_not_run_again(judged):
    played = Played(Run({ONE: "failed"}), Run({ONE: "passed"}))
    result = judged(played, reasons=[ONE])
    assert result.clean
    assert result.excepted == (ONE,)
    assert played.asked == {"ours": None, "stock": None}
    assert result.excepted == (ONE,)


def test_a_listed_one_that_differs_not_is_stale(judged):
    result = judged(Played(Run({ONE: "passed"}), Run({ONE: "passed"})), reasons=[ONE])
    assert not result.clean
    assert result.stale == (ONE,)


def test_stock_for_failures(judged):
    played = Played(
        Run({ONE: "passed", TWO: "failed"}), Run({ONE: "failed", TWO: "failed"}, {TWO: "no"})
    )
    result = judged(played, stock_for="failures")
    assert result.clean
    assert played.asked == {"ours": None, "stock": {TWO}}
    assert result.stock == {"failed": 1}


FAILS_AFTER_ONE = Run({ONE: "passed", TWO: "failed"}, {TWO: "no"})
PASSES = Run({ONE: "passed", TWO: "passed"})


def _fails_after_one(**of_the_module):
    alone = {f"{way}-again-{n}": PASSES for way in ("ours", "stock") for n in (1, 2, 3)}
    return Played(FAILS_AFTER_ONE, PASSES, alone | of_the_module)


def test_one_that_fails_after_another_in_stock_nova_too(judged):
    played = _fails_after_one(**{"stock-modules": FAILS_AFTER_ONE})
    result = judged(played, stock_for="failures")
    assert played.asked["stock-modules"] == {ONE, TWO}
    assert not result.flaky
    assert result.stock == {"failed": 1}


def test_one_that_fails_after_another_with_us_only_is_flaky(judged):
    result = judged(_fails_after_one(), stock_for="failures")
    assert [one.name for one in result.flaky] == [TWO]
    assert result.stock == {"passed": 1}


def test_a_module_that_cannot_be_imported_is_not_clean(judged):
    lost = Run({ONE: "passed"}, {}, frozenset({MODULE}))
    assert judged(Played(lost, lost)).uncollected == (MODULE,)
    assert judged(Played(lost, lost), reasons=[MODULE]).clean


@pytest.mark.parametrize("way", ["ours", "stock"])
def test_a_run_without_tests_is_broken(judged, way):
    runs = {"ours": Run({ONE: "passed"}), "stock": Run({ONE: "passed"})} | {way: Run()}
    with pytest.raises(Broken, match="no test ran"):
        judged(Played(**runs))
