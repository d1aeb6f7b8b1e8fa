"""What is kept of instances that are gone."""

from collections import deque
from types import SimpleNamespace

from nova_xloud.compute.watch import Watch
from nova_xloud.core.instance.guest import DomainReading
from nova_xloud.testing import FakeDomain, ManualClock
from tests.bench import leftovers
from tests.unit.compute.rig import Rig

GONE = {"gone"}


def test_nothing_is_found_where_nothing_is():
    assert leftovers.of(GONE, {"one": {"here": ["there", ("elsewhere",)]}}) == []


def test_keys_values_and_members_are_found_however_deep():
    roots = {
        "keys": {"gone": 1},
        "values": {"here": [{"uuid": "gone"}]},
        "queue": deque([("here", {"gone"})]),
    }
    assert leftovers.of(GONE, roots) == [
        "keys (a key)",
        "queue[...][...][...]",
        "values[...][...][...]",
    ]


def test_objects_of_ours_are_walked_through_and_those_of_others_are_not():
    watch, rig = Watch(ManualClock().now), Rig(uuid="gone")
    figures = FakeDomain(rig.guest).read()
    assert isinstance(figures, DomainReading)
    watch.judged("gone", figures)
    assert leftovers.of(GONE, {"watch": watch}) == ["watch._watched (a key)"]
    assert leftovers.of(GONE, {"others": SimpleNamespace(uuid="gone")}) == []


def test_what_goes_round_in_a_circle_ends():
    circle = {}
    circle["again"] = circle
    assert leftovers.of(GONE, {"circle": circle}) == []
