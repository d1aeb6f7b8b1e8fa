# SPDX-License-Identifier: Apache-2.0
"""Results of parts put together, the exceptions, and what is printed."""

import pathlib

import pytest

from tests.nova_own import exceptions, subsets
from tests.nova_own.result import Result, dump, load, together
from tests.nova_own.summary import summary
from tests.nova_own.verdicts import Difference

MODULE = "nova/tests/unit/test_a.py"
DIFFERENCE = Difference(f"{MODULE}::T::test_one", "failed", "passed", "no")
OWN = pathlib.Path(subsets.__file__).parent


def result(part="1/2", **changed):
    values = {
        "suite": "unit",
        "parts": (part,),
        "stock_for": "all",
        "ours": {"passed": 3, "failed": 1},
        "stock": {"passed": 4},
    }
    return Result(**values | changed)


class TestTogether:
    def test_parts_are_summed(self):
        [whole] = together([result("1/2"), result("2/2", differences=(DIFFERENCE,))])
        assert whole.parts == ("1/2", "2/2")
        assert (whole.ours, whole.stock) == ({"passed": 6, "failed": 2}, {"passed": 8})
        assert whole.differences == (DIFFERENCE,)

    def test_suites_are_apart(self):
        assert len(together([result(), result(suite="functional")])) == 2

    def test_stored_and_read(self):
        one = result(flaky=(DIFFERENCE,), stale=("a",))
        assert load(dump(one)) == one

    @pytest.mark.parametrize(
        "found", [{"differences": (DIFFERENCE,)}, {"stale": ("a",)}, {"uncollected": ("a",)}]
    )
    def test_not_clean(self, found):
        assert result().clean
        assert not result(**found).clean


class TestSummary:
    def test_says_what_is_missing_and_what_differs(self):
        text = summary("34.0.0", "all", [result(differences=(DIFFERENCE,))], {})
        assert "| unit  | with nova-xloud | 4     | 3      | 1      | 0       |" in text
        assert "not yet run: part 2/2" in text
        assert f"- {DIFFERENCE.name}: stock passed, with nova-xloud failed. no" in text

    def test_says_that_stock_was_not_run_whole(self):
        assert "is not seen" in summary("34.0.0", "all", [result(stock_for="failures")], {})
        assert "is not seen" not in summary("34.0.0", "all", [result()], {})

    def test_gives_the_reasons_of_exceptions(self):
        text = summary("34.0.0", "all", [result(excepted=("a",))], {"a": "it must"})
        assert "- a: it must" in text


class TestExceptions:
    TEXT = '[[exception]]\ntest = "{}"\nreason = "{}"\nreleases = ["34.0.0"]\n'

    def test_are_of_their_releases(self):
        text = self.TEXT.format(DIFFERENCE.name, "it must")
        assert exceptions.parse(text, "34.0.0").reasons == {DIFFERENCE.name: "it must"}
        assert exceptions.parse(text, "33.0.0").reasons == {}

    @pytest.mark.parametrize(("release", "listed"), [("33.0.2", True), ("33.01.0", False)])
    def test_are_of_the_fixes_of_a_release_too(self, release, listed):
        text = self.TEXT.replace("34.0.0", "33.0").format(DIFFERENCE.name, "it must")
        assert bool(exceptions.parse(text, release).reasons) is listed

    def test_one_that_differs_no_longer_is_stale_where_its_module_ran(self):
        listed = exceptions.parse(self.TEXT.format(DIFFERENCE.name, "it must"), "34.0.0")
        assert listed.stale({MODULE}, set()) == [DIFFERENCE.name]
        assert listed.stale({MODULE}, {DIFFERENCE.name}) == []
        assert listed.stale({"nova/tests/unit/test_b.py"}, set()) == []

    def test_need_a_reason(self):
        with pytest.raises(ValueError, match="reason"):
            exceptions.parse(self.TEXT.format(DIFFERENCE.name, ""), "34.0.0")

    def test_are_under_ten(self):
        with pytest.raises(ValueError, match="9 are the most"):
            exceptions.parse(self.TEXT.format("a", "b") * 10, "34.0.0")

    def test_the_listed_ones_can_be_read(self):
        exceptions.parse((OWN / "exceptions.toml").read_text(), "34.0.0")


class TestSubsets:
    @pytest.fixture
    def root(self, tmp_path):
        for name in ("unit/test_a.py", "unit/api/test_b.py", "functional/test_a.py"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(" " * len(name))
        return tmp_path

    def found(self, root, *names):
        named = {"ci": ["unit.api", "functional.test_a"]}
        return {
            suite: [file.relative_to(root).as_posix() for file in files]
            for suite, files in subsets.modules(names, named, root).items()
        }

    def test_all_suites_apart(self, root):
        assert self.found(root, "all") == {
            "unit": ["unit/api/test_b.py", "unit/test_a.py"],
            "functional": ["functional/test_a.py"],
        }

    @pytest.mark.parametrize("name", ["unit.test_a", "nova.tests.unit.test_a"])
    def test_a_module(self, root, name):
        assert self.found(root, name) == {"unit": ["unit/test_a.py"]}

    def test_a_named_one(self, root):
        assert self.found(root, "ci") == {
            "unit": ["unit/api/test_b.py"],
            "functional": ["functional/test_a.py"],
        }

    def test_one_that_is_not_there(self, root):
        with pytest.raises(LookupError, match=r"unit\.test_c"):
            self.found(root, "unit.test_c")

    def test_parts_have_each_module_once(self):
        files = list("abcdefg")
        parts = [subsets.part(files, n + 1, 3) for n in range(3)]
        assert sorted(file for part in parts for file in part) == files
