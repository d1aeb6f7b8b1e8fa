# SPDX-License-Identifier: Apache-2.0
"""What the tests of the engine in real Nova services share."""

from unittest import mock

from nova_xloud.compute.worker import Worker
from tests.functional.base import AdjustTestCase


class EngineTestCase(AdjustTestCase):
    @property
    def host(self):
        return self.computes["host1"].manager.xloud

    def _guest(self, server=None):
        return self.guests.domain((server or self.server)["id"])

    def _condition(self, kind, server=None):
        found = [c for c in self._status(server)["conditions"] if c["type"] == kind]
        return found[0] if found else None

    def _crashes_before_converging(self):
        """As after kill -9: what is admitted is with nobody."""
        return mock.patch.object(Worker, "submit", autospec=True)
