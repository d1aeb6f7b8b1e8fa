# SPDX-License-Identifier: Apache-2.0
"""What ``make demo-autoscale`` measures of recorded samples, and what it complains of."""

import json

import pytest

from lab.autoscale import journal, judge
from lab.autoscale.sample import Advice, Mark, Record, Sample, Server, from_json, to_json
from lab.guest.load import Distress
from lab.witnesses import Size

CAPACITY = Size(32, 4096)
SMALL, LARGE = Size(1, 512), Size(4, 1024)
CALM = Distress(0, 0, 0, 0, 0, 0)


def server(size: Size, **more: object) -> Server:
    same = {name: size for name in ("desired", "before", "libvirt", "guest", "after")}
    return Server(**{**same, "distress": CALM, **more})  # type: ignore[arg-type]


def record(*servers: Server, used: Size = SMALL) -> Record:
    """A sample of the server "web" for each second."""
    samples = [Sample(float(at), CAPACITY, used, {"web": one}) for at, one in enumerate(servers)]
    return Record("scene", samples, [])


def test_time_is_taken_until_libvirt_and_guest_have_the_vcpus() -> None:
    plugged = server(SMALL, libvirt=LARGE)
    made = record(server(SMALL), server(SMALL), plugged, server(LARGE))
    assert judge.took(made, "web", 1.0, judge.has_vcpus(4)) == 2.0
    assert judge.took(made, "web", 1.0, judge.has_vcpus(5)) is None
    assert judge.took(made, "db", 1.0, judge.has_vcpus(1)) is None


def test_harm_is_counted_from_the_last_report_before() -> None:
    killed = Distress(1, 1, 0, 0, 9, 100)
    made = record(*(server(SMALL, distress=one) for one in (CALM, killed, killed)))
    assert judge.harm(made, "web") == killed
    assert judge.harm(made, "web", since=1.5) == CALM
    assert judge.harm(record(server(SMALL, distress=None)), "web") is None


@pytest.mark.parametrize(
    ("distress", "is_met"),
    [(None, False), (CALM, True), (Distress(0, 0, 0, 4096, 0, 0), False)],
)
def test_guest_that_does_not_report_is_not_without_harm(
    distress: Distress | None, is_met: bool
) -> None:
    assert judge.no_harm("scene", "no harm", distress).is_met == is_met


def test_changes_are_of_one_resource_each() -> None:
    made = record(*(server(size) for size in (SMALL, LARGE, LARGE, Size(4, 512))))
    assert [
        (one.at, one.resource, one.before, one.after) for one in judge.changes(made, "web")
    ] == [
        (1.0, "vcpus", 1, 4),
        (1.0, "memory_mb", 512, 1024),
        (3.0, "memory_mb", 1024, 512),
    ]


def test_flap_is_a_change_that_is_soon_reversed() -> None:
    made = record(*(server(size) for size in (SMALL, LARGE, LARGE, Size(4, 512), Size(5, 512))))
    (flap,) = judge.flaps(made, "web", within=10)
    assert (flap.at, flap.resource, flap.is_growth) == (3.0, "memory_mb", False)
    assert judge.flaps(made, "web", within=1) == []


def test_oversold_host_is_seen() -> None:
    assert judge.oversold(record(server(SMALL))) == []
    assert judge.oversold(record(server(SMALL), used=Size(1, 4097))) == [
        "At 0 s 1 / 4097 of 32 / 4096 are allocated."
    ]


def test_guest_that_holds_more_than_is_reserved_is_seen() -> None:
    assert judge.too_little(record(server(SMALL))) == []
    # It grew between the two readings of its claim.
    assert judge.too_little(record(server(LARGE, before=SMALL))) == []
    (problem,) = judge.too_little(record(server(LARGE, before=SMALL, after=SMALL)))
    assert problem == "At 0 s, web: The guest holds 4 vCPUs, and Placement has 1."


def test_server_below_its_floor_is_seen() -> None:
    made = record(server(LARGE), server(LARGE, desired=Size(4, 1000)))
    assert judge.below(made, "web", LARGE) == [
        "At 1 s web is to have 4 / 1000, which is less than 4 / 1024."
    ]
    assert judge.below(made, "web", LARGE, since=1.5) == []


def test_rows_of_every_scene_are_not_met_without_samples() -> None:
    assert [row.is_met for row in judge.always(record(server(SMALL), server(SMALL)))] == [True] * 3
    assert [row.is_met for row in judge.always(record())] == [False] * 3


def test_what_never_came_is_not_only_late() -> None:
    assert [row.is_met for row in judge.within("scene", "it", 3.0, 5)] == [True, True]
    came, in_time = judge.within("scene", "it", 8.0, 5)
    assert (came.is_met, in_time.is_met, in_time.is_timing) == (True, False, True)
    (never,) = judge.within("scene", "it", None, 5)
    assert (never.is_met, never.is_timing) == (False, False)


def test_records_are_the_same_after_json() -> None:
    advice = Advice(0.5, None, LARGE, ("hold.needed", "grow.rising"))
    made = record(server(SMALL, advice=advice), Server(), server(SMALL, distress=None))
    marked = Record(made.scene, made.samples, [Mark(1.0, "web", "4 burners")])
    records, about = from_json(to_json([marked], {"interval": 1}))
    assert records == [marked]
    assert about == {"interval": 1}


def test_journal_says_the_last_decision_of_each_server() -> None:
    def line(uuid: str, need: float | None) -> bytes:
        vcpus = {"wanted": 1, "need": None, "floor": None, "code": "hold.unknown", "reason": "r"}
        memory = {**vcpus, "wanted": 512, "need": need, "code": "hold.needed"}
        decided = {"at": 1.0, "vcpus": vcpus, "memory_mb": memory}
        return json.dumps(
            {"v": 1, "kind": "entry", "uuid": uuid, "recommendation": decided}
        ).encode()

    other = json.dumps({"v": 1, "kind": "checkpoint", "uuid": "a", "history": {}}).encode()
    text = b"\n".join([line("a", 1.0)[40:], line("a", 2.0), line("b", None), other, line("a", 3.0)])
    found = journal.decisions(text + b"\n" + line("a", 4.0)[:50])
    assert {uuid: one.need_mb for uuid, one in found.items()} == {"a": 3.0, "b": None}
    assert found["a"].codes == ("hold.unknown", "hold.needed")


def test_a_report_of_a_size_before_is_not_judged() -> None:
    more = Size(1, 1024)
    boots = server(SMALL, libvirt=more, guest=more, booting=True)
    shrinks = server(more)
    behind = server(SMALL, guest=more)
    for before in (boots, shrinks):
        assert judge.too_little(record(before, behind)) == []
        late = [before, *[server(SMALL)] * 7, behind]
        assert len(judge.too_little(record(*late))) == 1
    # What libvirt says is judged at any time.
    assert len(judge.too_little(record(shrinks, server(SMALL, libvirt=more)))) == 1
