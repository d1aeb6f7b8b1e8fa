# SPDX-License-Identifier: Apache-2.0
"""Each seam is taken away in turn, and a functional test sees that it is missing."""

import inspect
import logging

import pytest

from nova_xloud import releases
from nova_xloud.seams.compute_manager import _RECONCILE_AFTER, XloudComputeManager
from nova_xloud.seams.libvirt_driver import BalloonWithoutAutodeflate
from nova_xloud.seams.resource_tracker import XloudResourceTracker
from nova_xloud.seams.table import CALLED, EXTENDED, seams_of
from tests.seams import harness
from tests.seams.verdict import Outcome
from tests.seams.witnesses import OVERRIDES, WITNESSES

LOG = logging.getLogger(__name__)

_SUBCLASSES = (XloudComputeManager, XloudResourceTracker, BalloonWithoutAutodeflate)


def test_every_seam_has_a_witness_and_no_witness_is_of_another():
    assert set(WITNESSES) == {seam.target for seam in EXTENDED}


@pytest.mark.parametrize("ours", _SUBCLASSES, ids=lambda ours: ours.__name__)
def test_so_has_every_method_that_we_override(ours):
    name = f"{ours.__module__}:{ours.__qualname__}."
    (novas,) = ours.__bases__
    overridden = {
        f"{name}{method}"
        for method, found in inspect.getmembers(ours, inspect.isroutine)
        # The rest of a class that is made anew is seen by whatever sees the class.
        if method in vars(ours) and hasattr(novas, method) and not method.startswith("__")
        if found is not getattr(novas, method)
    }
    assert overridden == {target for target in OVERRIDES if target.startswith(name)}


def test_every_method_that_begins_a_pass_is_known_to_be_there():
    # It is wrapped when the module is imported, so another Nova must be found unfit before.
    called = {seam.target for seam in seams_of(releases.major(), CALLED)}
    wanted = {f"nova.compute.manager:ComputeManager.{name}" for name in _RECONCILE_AFTER}
    assert wanted <= called


_IN_THIS_RELEASE = [seam.target for seam in seams_of(releases.major(), EXTENDED)]


def test_with_all_seams_a_witness_passes():
    # Of all the others that is seen in tests/functional, of which they are a part.
    verdict = harness.run(next(iter(WITNESSES.values())))
    assert verdict.outcome is Outcome.PASSED, verdict.why


@pytest.mark.parametrize("target", [*_IN_THIS_RELEASE, *OVERRIDES])
def test_without_it_its_witness_fails(target):
    node = (WITNESSES | OVERRIDES)[target]
    verdict = harness.run(node, without=target)
    LOG.info("%s without %s: %s", node, target, verdict.why)
    assert verdict.outcome is Outcome.FAILED, f"{node}: {verdict.outcome.value}: {verdict.why}"
