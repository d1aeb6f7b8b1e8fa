# SPDX-License-Identifier: Apache-2.0
"""Each seam is taken away in turn, and a functional test sees that it is missing."""

import functools
import logging

import pytest

from nova_xloud.seams.table import EXTENDED
from tests.seams import harness
from tests.seams.verdict import Outcome
from tests.seams.witnesses import WITNESSES

LOG = logging.getLogger(__name__)

_with_all_seams = functools.cache(harness.run)


def test_every_seam_has_a_witness_and_no_witness_is_of_another():
    assert set(WITNESSES) == {seam.target for seam in EXTENDED}


@pytest.mark.parametrize("target", [seam.target for seam in EXTENDED])
def test_without_it_its_witness_fails(target):
    node = WITNESSES[target]
    control = _with_all_seams(node)
    assert control.outcome is Outcome.PASSED, f"{node} with all seams: {control.why}"
    verdict = harness.run(node, without=target)
    LOG.info("%s without %s: %s", node, target, verdict.why)
    assert verdict.outcome is Outcome.FAILED, f"{node}: {verdict.outcome.value}: {verdict.why}"
