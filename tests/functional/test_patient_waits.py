# SPDX-License-Identifier: Apache-2.0
"""How long Nova's waits last when what they wait for never happens."""

import types

import pytest
from nova.tests.functional import integrated_helpers

from lab.patience import Patience
from nova_xloud.testing import ManualClock
from tests.functional import waits


class Waits(waits.PatientWaits, integrated_helpers.InstanceHelperMixin):
    """Nova's waits for a server that never changes; each look takes ``takes`` seconds."""

    def __init__(self, clock, takes):
        self.admin_api = self.api = self
        self.clock, self.takes = clock, takes
        self.looks = 0

    def get_server(self, uuid):
        self.looks += 1
        self.clock.advance(self.takes)
        return {"id": uuid, "status": "BUILD"}

    def fail(self, why):
        raise AssertionError(why)


@pytest.mark.parametrize(("takes", "seconds"), [(0.01, (20, 21)), (1.5, (80, 105))])
def test_a_wait_that_fails_lasts_as_long_as_it_is_given(monkeypatch, takes, seconds):
    """In seconds of the clock where looks are quick; where they are slow it has as many looks."""
    clock = ManualClock()
    monkeypatch.setattr(waits, "Patience", lambda given: Patience(given, clock.now))
    monkeypatch.setattr(waits, "time", types.SimpleNamespace(sleep=clock.sleep))
    case = Waits(clock, takes)
    with pytest.raises(AssertionError, match="Wait for state change failed"):
        case._wait_for_server_parameter({"id": "one"}, {"status": "ACTIVE"})
    least, most = seconds
    assert least <= clock.now() <= most, (clock.now(), case.looks)
