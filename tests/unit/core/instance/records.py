# SPDX-License-Identifier: Apache-2.0
"""What may be desired, and the flavor that it is kept for."""

from __future__ import annotations

from hypothesis import strategies as st

from nova_xloud.core.instance.desired import AdmittedRequest, Desired, flavor_key
from nova_xloud.core.instance.lifecycle import Condition, Phase, Progress
from nova_xloud.core.size import Size

BOOT = Size(1, 512)
KEY = flavor_key("small", Size(4, 1024))
sizes = st.builds(Size, st.integers(1, 512), st.integers(1, 2**40))
codes = st.text("abcxyz_.", max_size=20).map("xloud.{}".format)
# Whatever libvirt and guests put into a message: "|" too, which stands between what we write.
messages = st.text(st.characters(codec="utf-8"), max_size=60) | st.text("|a", max_size=4)
dates = st.sampled_from(["", "2026-11-24T11:00:00Z"])
progresses = st.builds(
    Progress,
    phase=st.sampled_from(Phase),
    code=codes,
    message=messages,
    since=dates,
    request_id=st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=40),
)
conditions = st.builds(
    Condition,
    type=st.text("ABab", min_size=1, max_size=10),
    status=st.just(True),
    reason=codes,
    message=messages,
    since=dates,
)
# One of each type, in the order of their names: as they are when they have been read.
recorded_conditions = st.lists(conditions, max_size=3, unique_by=lambda one: one.type).map(
    lambda found: tuple(sorted(found, key=lambda one: one.type))
)
desireds = st.builds(
    Desired,
    persisted=sizes,
    live=st.none() | sizes,
    generation=st.integers(0, 2**31),
    removal_pending=st.none() | st.integers(1, 512),
    force=st.booleans(),
    progress=progresses,
    recorded_conditions=recorded_conditions,
)
asked = st.builds(
    AdmittedRequest,
    target=sizes,
    persisted=sizes,
    force=st.booleans(),
    now=dates,
    request_id=st.sampled_from(["", "req-1"]),
)
