# SPDX-License-Identifier: Apache-2.0
"""Which flavors of Nova's tests get minimums, and what is said about servers that were grown."""

import json
from dataclasses import replace

import pytest

from nova_xloud.core.size import Size
from nova_xloud.core.sizing.boot_size import boot_size
from nova_xloud.core.sizing.facts import FlavorFacts
from tests.nova_own.grown import report
from tests.nova_own.grown.report import GrownTest, grown_tests
from tests.nova_own.grown.swap import (
    ALL_PLUGGED,
    NO_MEMORY_ABOVE_FLOOR,
    ONE_VCPU,
    Swap,
    flavor_in,
    swap,
)
from tests.nova_own.grown.tally import Tally
from tests.nova_own.result import Result, dump, load, together
from tests.nova_own.summary import summary
from tests.nova_own.verdicts import Run, read

A = "nova/tests/functional/libvirt/test_a.py::T::test_one"
B = "nova/tests/functional/libvirt/test_a.py::T::test_two"
C = "nova/tests/functional/libvirt/test_b.py::T::test_three"


def facts(vcpus=2, memory_mb=2048, floor=256, dedicated=0, **specs):
    named = {name.replace("__", ":"): value for name, value in specs.items()}
    return FlavorFacts(
        Size(vcpus, memory_mb), named, dedicated_vcpus=dedicated, memory_floor_mb=floor
    )


class TestSwap:
    def test_both_resources_get_the_smallest_minimum(self):
        assert swap(facts()) == Swap({"minimum_cpu": "1", "minimum_memory": "256"})

    @pytest.mark.parametrize(
        ("flavor", "why_not"),
        [
            (facts(vcpus=1), {"vcpus": ONE_VCPU}),
            (facts(memory_mb=256), {"memory_mb": NO_MEMORY_ABOVE_FLOOR}),
            (facts(hw__cpu_threads="2"), {"vcpus": ALL_PLUGGED}),
            (facts(hw__mem_page_size="2048"), {"memory_mb": "xloud.blocked.huge_pages"}),
            (facts(hw__cpu_realtime="yes"), {"memory_mb": "xloud.blocked.realtime"}),
            (facts(hw__pmem="4GB"), {"memory_mb": "xloud.blocked.vpmem"}),
            (facts(pci_passthrough__alias="a1:1"), {"memory_mb": "xloud.blocked.vfio"}),
            (facts(resources__VCPU="2"), {"vcpus": "xloud.blocked.resource_override"}),
        ],
        ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
    )
    def test_a_resource_that_nova_xloud_refuses_gets_none(self, flavor, why_not):
        found = swap(flavor)
        assert found.why_not == why_not
        names = {"vcpus": "minimum_cpu", "memory_mb": "minimum_memory"}
        assert set(found.specs) == set(names.values()) - {names[one] for one in why_not}

    def test_dedicated_cpus_get_a_minimum(self):
        flavor = facts(dedicated=2, hw__cpu_policy="dedicated")
        assert swap(flavor).specs["minimum_cpu"] == "1"

    def test_memory_is_at_least_what_the_image_needs(self):
        image = replace(facts(), image_min_ram_mb=1024)
        assert swap(image).specs["minimum_memory"] == "1024"
        needs_all = swap(replace(facts(), image_min_ram_mb=2048))
        assert needs_all.why_not == {"memory_mb": NO_MEMORY_ABOVE_FLOOR}

    def test_a_flavor_that_names_a_minimum_is_left_as_it_is(self):
        assert swap(facts(minimum_cpu="2")) == Swap()

    def test_the_boot_size_follows(self):
        specs = swap(facts(vcpus=4)).specs
        assert boot_size(facts(vcpus=4, **specs)) == Size(1, 256)


class TestFlavorIn:
    @pytest.mark.parametrize(
        ("uri", "body", "resizes", "flavor"),
        [
            ("/servers", {"server": {"flavorRef": "http://fake.server/7"}}, False, ("7", None)),
            ("/servers", {"server": {"flavorRef": 7, "imageRef": "i"}}, False, ("7", "i")),
            ("/servers", {"server": {"flavorRef": 7, "imageRef": ""}}, False, ("7", None)),
            ("/servers", {"server": {}}, False, None),
            ("/servers", {"server": None}, False, None),
            ("/flavors", {"server": {"flavorRef": "7"}}, False, None),
            ("/servers/a/action", {"resize": {"flavorRef": "7"}}, True, ("7", None)),
            ("/servers/a/action", {"resize": {"flavorRef": "7"}}, False, None),
            ("/servers/a/action", {"os-stop": None}, True, None),
            ("/servers", None, True, None),
        ],
    )
    def test_is_the_one_with_which_a_server_is_created(self, uri, body, resizes, flavor):
        assert flavor_in(uri, body, resizes=resizes) == flavor


class TestTally:
    def test_a_server_counts_once(self):
        tally = Tally()
        tally.grew("a")
        tally.grew("a")
        tally.stays("b", ["one", "two"])
        tally.stays("c", ["one"])
        assert tally.data == {"servers": 1, "why_not": {"one": 2, "two": 1}}

    def test_a_server_that_grows_later_has_no_reason(self):
        tally = Tally()
        tally.stays("a", ["one"])
        tally.grew("a")
        assert tally.data == {"servers": 1, "why_not": {}}


class TestReport:
    GROWN = Run(
        {A: "passed", B: "failed", C: "passed"},
        {B: "2 != 3"},
        grown={
            A: {"servers": 2, "why_not": {}},
            B: {"servers": 1, "why_not": {ONE_VCPU: 1}},
            C: {"servers": 0, "why_not": {}},
        },
    )
    STOCK = Run({A: "passed", B: "passed"})

    def test_is_read_from_the_verdicts(self):
        record = {"id": A, "verdict": "passed", "message": "", "grown": {"servers": 2}}
        assert read(map(json.dumps, [record, {"exit": 0}])).grown == {A: {"servers": 2}}

    def test_a_test_that_was_not_run_in_stock_nova_passes_there(self):
        assert [test.differs for test in grown_tests(self.GROWN, self.STOCK)] == [
            False,
            True,
            False,
        ]

    def test_counts_by_module(self):
        tests = grown_tests(self.GROWN, self.STOCK)
        assert list(report.rows(tests)) == [
            ("functional/libvirt/test_a.py", "2", "3", "2", "1", "0", "1"),
            ("functional/libvirt/test_b.py", "1", "0", "0", "0", "1", "0"),
            ("all", "3", "3", "2", "1", "1", "1"),
        ]

    @pytest.mark.parametrize(
        ("test", "said"),
        [
            (GrownTest("t", 2), "t: 2 grown; as in stock"),
            (
                GrownTest("t", 1, {}, "failed", "passed", "2 != 3"),
                "t: 1 grown; stock passed, grown failed: 2 != 3",
            ),
            (
                GrownTest("t", 0, {ONE_VCPU: 2}),
                "t: no server grown; as in stock. Not grown: one vCPU only (2)",
            ),
            (GrownTest("t", 0), "t: no server grown; as in stock. No server is seen as ACTIVE"),
            (
                GrownTest("t", 0, {}, "skipped", "skipped"),
                "t: no server grown; as in stock. Skipped, or expected to fail, by Nova",
            ),
        ],
    )
    def test_says_what_a_test_found(self, test, said):
        assert report.line(test) == said

    def test_counts_why_servers_were_not_grown(self):
        skipped, none = GrownTest("s", 0, {}, "skipped", "skipped"), GrownTest("n", 0)
        tests = [GrownTest("a", 0, {"x": 1, "y": 2}), GrownTest("b", 1, {"y": 1}), skipped, none]
        assert list(report.reasons(tests)) == [
            *("y: 3 servers", "x: 1 servers"),
            *(
                "skipped, or expected to fail, by Nova: 1 tests",
                "no server is seen as ACTIVE: 1 tests",
            ),
        ]

    def test_is_stored_put_together_and_printed(self):
        def result(part, tests):
            return Result("functional", (part,), "all", {"passed": 1}, {"passed": 1}, grown=tests)

        one, two = result("1/2", (GrownTest(A, 1),)), result("2/2", (GrownTest(B, 0, {"x": 2}),))
        assert load(dump(one)) == one
        [both] = together([one, two])
        text = summary("34.0.0", "grown", [both], {})
        assert "libvirt/test_a.py::T::test_one: 1 grown; as in stock" in text
        assert "- x: 2 servers" in text
        assert "grown instances" not in summary("34.0.0", "ci", [result("1/2", ())], {})
