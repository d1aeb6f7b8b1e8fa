# SPDX-License-Identifier: Apache-2.0
"""Each rule broken alone is found alone, and what looks like it and is none is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_xloud.core.checks.invariants import ElasticInstance, Guest, Node, Snapshot, findings
from nova_xloud.core.instance.desired import Desired
from nova_xloud.core.remedies.findings import FINDINGS
from nova_xloud.core.size import Size
from nova_xloud.core.sizing.allocation import resized
from nova_xloud.core.sizing.bounds import FlavorFacts

ONE, MIGRATION = "instance-1", "migration-1"
HERE, THERE = "provider-here", "provider-there"
MAXIMUM, HELD = Size(8, 4096), Size(2, 1024)
SPECS = {"minimum_cpu": "1", "minimum_memory": "512"}
FACTS = FlavorFacts(MAXIMUM, SPECS)
INVENTORIES = {
    "VCPU": {"total": 8, "reserved": 0, "allocation_ratio": 2.0},
    "MEMORY_MB": {"total": 9216, "reserved": 1024, "allocation_ratio": 1.0},
}


def instance(**changes: Any) -> ElasticInstance:
    """On ``here``, at rest, with ``HELD`` wherever one looks."""
    whole = ElasticInstance(
        uuid=ONE,
        host="here",
        provider=HERE,
        facts=FACTS,
        desired=Desired(HELD),
        recorded=HELD,
        guest=Guest(HELD),
    )
    return replace(whole, **changes)


def claim(size: Size = HELD, facts: FlavorFacts = FACTS) -> dict[str, int]:
    return resized({}, size, facts)


def node(name: str = "here", **allocations: dict[str, int]) -> Node:
    """A compute node; consumers' names with ``_`` for ``-``."""
    by_consumer = {consumer.replace("_", "-"): held for consumer, held in allocations.items()}
    return Node(name, f"provider-{name}", INVENTORIES, by_consumer)


def found(
    *instances: ElasticInstance, nodes: tuple[Node, ...] = (node(instance_1=claim()),), **more: Any
) -> list[tuple[str, bool]]:
    """Codes, and whether each is a note."""
    snapshot = Snapshot(instances, {n.provider: n for n in nodes}, **more)
    return [(finding.code, finding.note) for finding in findings(snapshot)]


def test_a_cloud_that_is_as_it_has_to_be() -> None:
    assert found(instance(), consumers=frozenset({ONE})) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"guest": Guest(Size(3, 1024))}, "reserved_below_held"),
        ({"guest": Guest(Size(2, 1025))}, "reserved_below_held"),
        # Booting excuses a guest's memory only, not its vCPUs.
        ({"guest": Guest(Size(3, 1024), booting=True)}, "reserved_below_held"),
        ({"guest": Guest(Size(3, 1024)), "busy": True}, "reserved_below_held"),
        ({"desired": Desired(Size(3, 1024))}, "reserved_below_desired"),
        ({"desired": Desired(HELD, live=Size(2, 2048))}, "reserved_below_desired"),
        ({"desired": Desired(Size(3, 1024), live=HELD)}, "reserved_below_desired"),
        ({"recorded": Size(8, 1024)}, "columns_differ"),
        ({"recorded": Size(2, 512)}, "columns_differ"),
        ({"desired": Desired(Size(2, 511))}, "desired_out_of_bounds"),
        ({"desired": Desired(HELD, live=Size(0, 1024))}, "desired_out_of_bounds"),
        (
            {"facts": replace(FACTS, maximum=Size(2, 1023)), "recorded": HELD},
            "desired_out_of_bounds",
        ),
        (
            {
                "facts": replace(FACTS, extra_specs={**SPECS, "hw:cpu_threads": "2"}),
                "desired": Desired(HELD, live=Size(1, 1024)),
            },
            "desired_out_of_bounds",
        ),
        ({"desired": None}, "record_unreadable"),
    ],
)
def test_a_rule_of_an_instance_broken_alone(changes: dict[str, Any], code: str) -> None:
    assert found(instance(**changes)) == [(code, False)]


@pytest.mark.parametrize(
    "changes",
    [
        {"guest": None},
        {"guest": Guest(Size(0, 0))},
        {"guest": Guest(Size(1, 512))},
        {"desired": Desired(Size(1, 512))},
        {"desired": Desired(Size(3, 1024)), "busy": True},
        {"recorded": Size(8, 4096), "busy": True},
        {"guest": Guest(None), "busy": True},
        # An adjusted instance whose flavor names no minimum may be as small as an option says.
        {"facts": replace(FACTS, extra_specs={}), "desired": Desired(Size(1, 64))},
    ],
)
def test_what_breaks_nothing(changes: dict[str, Any]) -> None:
    assert found(instance(**changes)) == []


def test_each_resource_is_told_of_by_itself() -> None:
    snapshot = Snapshot(
        (instance(guest=Guest(Size(3, 2048))),), {HERE: node(instance_1=claim())}, None
    )
    vcpus, memory = findings(snapshot)
    assert (vcpus.resource, vcpus.what) == (
        "vcpus",
        "it holds 3 vCPUs, and 2 are reserved for it",
    )
    assert (memory.resource, memory.what) == (
        "memory_mb",
        "it holds 2048 MiB, and 1024 are reserved for it",
    )
    assert vcpus.key != memory.key


def test_memory_of_a_guest_that_has_just_started_is_a_note() -> None:
    booting = instance(guest=Guest(Size(2, 4096), booting=True))
    assert found(booting) == [("reserved_below_held", True)]


def test_unread_guest_is_a_note() -> None:
    assert found(instance(guest=Guest(None))) == [("guest_unknown", True)]


@pytest.mark.parametrize("provider", [HERE, None])
def test_nothing_allocated_where_it_is(provider: str | None) -> None:
    bare = instance(provider=provider)
    assert found(bare, nodes=(node(),)) == [("no_allocation", False)]
    assert found(replace(bare, busy=True), nodes=(node(),)) == []
    assert found(replace(bare, migrations=frozenset({MIGRATION})), nodes=(node(),)) == []


@pytest.mark.parametrize("place", [{}, {"host": None, "provider": None, "guest": None}])
def test_something_allocated_where_it_is_not(place: dict[str, Any]) -> None:
    nodes = (node(), node("there", instance_1=claim()))
    if not place:
        nodes = (node(instance_1=claim()), nodes[1])
    elsewhere = instance(**place)
    assert found(elsewhere, nodes=nodes) == [("allocation_elsewhere", False)]
    for excused in (
        {"busy": True},
        {"migrations": frozenset({MIGRATION})},
        {"left_behind_on": frozenset({"there"})},
    ):
        assert found(replace(elsewhere, **excused), nodes=nodes) == []
    left_behind = replace(elsewhere, left_behind_on=frozenset({"here"}))
    assert found(left_behind, nodes=nodes) == [("allocation_elsewhere", False)]


def test_an_instance_that_is_nowhere_and_has_nothing() -> None:
    assert found(instance(host=None, provider=None, guest=None), nodes=(node(),)) == []


@pytest.mark.parametrize("own", [{}, {"instance_1": claim(Size(1, 512))}])
def test_what_a_migration_holds_here_is_reserved_for_it(own: dict[str, Any]) -> None:
    moving = instance(busy=True, migrations=frozenset({MIGRATION}))
    assert found(moving, nodes=(node(**own, migration_1=claim()),)) == []
    larger = replace(moving, guest=Guest(Size(3, 1024)))
    assert found(larger, nodes=(node(**own, migration_1=claim()),)) == [
        ("reserved_below_held", False)
    ]


def test_dedicated_cpus_are_reserved_too() -> None:
    specs = {**SPECS, "hw:cpu_policy": "dedicated"}
    pinned = FlavorFacts(MAXIMUM, specs, dedicated_vcpus=8, isolated_emulator=True)
    there = Node("here", HERE, {}, {ONE: claim(facts=pinned)})
    sums = {"PCPU": {"total": 3, "reserved": 0, "allocation_ratio": 1.0}} | INVENTORIES
    assert found(instance(facts=pinned), nodes=(replace(there, inventories=sums),)) == []


@pytest.mark.parametrize(("amount", "broken"), [(14, False), (15, True)])
def test_all_allocations_of_a_host_count_whosever_they_are(amount: int, broken: bool) -> None:
    full = node(instance_1=claim(), stock={"VCPU": amount, "CUSTOM_THING": 0})
    expected = [("host_oversold", False)] if broken else []
    assert found(instance(), nodes=(full,)) == expected


def test_what_the_host_reserves_for_itself_is_no_capacity() -> None:
    full = node(instance_1=claim(), stock={"MEMORY_MB": 8192 - 1024 + 1})
    (finding,) = findings(Snapshot((instance(),), {HERE: full}))
    assert finding.what == "8193 of MEMORY_MB are allocated, and its capacity is 8192"
    assert (finding.instance, finding.host, finding.resource) == (None, "here", "MEMORY_MB")


def test_a_class_that_the_host_no_longer_has_has_no_capacity() -> None:
    strange = node(instance_1=claim(), stock={"VGPU": 1})
    assert found(instance(), nodes=(strange,)) == [("host_oversold", False)]


def test_allocation_of_an_unknown_consumer_is_orphaned() -> None:
    left = node(instance_1=claim(), nobody={"VCPU": 1})
    assert found(instance(), nodes=(left,), consumers=frozenset({ONE})) == [
        ("orphaned_allocation", False)
    ]
    assert found(instance(), nodes=(left,), consumers=None) == []
    assert found(instance(), nodes=(left,), consumers=frozenset({ONE, "nobody"})) == []


def test_a_finding_says_all_in_one_sentence() -> None:
    (finding,) = findings(
        Snapshot((instance(recorded=Size(1, 1024)),), {HERE: node(instance_1=claim())})
    )
    assert finding.message == (
        "instance instance-1 on host here: its columns in Nova's database have 1 vCPU, 1024 MiB, "
        f"and 2 vCPUs, 1024 MiB are reserved for it. {FINDINGS['columns_differ'].advice}"
    )


sizes = st.builds(Size, st.integers(0, 10), st.integers(0, 5000))


@given(
    desired=st.builds(Desired, sizes, live=st.none() | sizes),
    reserved=sizes,
    recorded=sizes,
    held=st.none() | sizes,
    booting=st.booleans(),
)
def test_the_rules_of_an_instance_for_any_numbers(
    desired: Desired, reserved: Size, recorded: Size, held: Size | None, booting: bool
) -> None:
    told = [
        (finding.code, finding.resource)
        for finding in findings(
            Snapshot(
                (
                    instance(
                        desired=desired, recorded=recorded, guest=held and Guest(held, booting)
                    ),
                ),
                {HERE: Node("here", HERE, INVENTORIES, {ONE: claim(reserved) or {"DISK_GB": 0}})},
            )
        )
        if finding.code not in ("host_oversold", "desired_out_of_bounds")
    ]
    expected: list[tuple[str, str | None]] = []
    if held is not None and held.vcpus > reserved.vcpus:
        expected.append(("reserved_below_held", "vcpus"))
    if held is not None and held.memory_mb > reserved.memory_mb:
        expected.append(("reserved_below_held", "memory_mb"))
    if not reserved.covers(desired.persisted) or not reserved.covers(desired.target):
        expected.append(("reserved_below_desired", None))
    if recorded != reserved:
        expected.append(("columns_differ", None))
    assert told == expected


def test_what_libvirt_would_start_is_reserved_unless_a_task_runs() -> None:
    larger = Guest(HELD, defined=Size(3, 1024))
    assert found(instance(guest=larger)) == [("reserved_below_defined", False)]
    assert found(instance(guest=larger, busy=True)) == []
    assert found(instance(guest=Guest(HELD, defined=Size(1, 512)))) == []


def test_pinned_memory_has_no_grace() -> None:
    pinned = Guest(Size(2, 4096), booting=True, pinned=True)
    assert found(instance(guest=pinned)) == [("reserved_below_held", False)]
