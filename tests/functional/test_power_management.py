# SPDX-License-Identifier: Apache-2.0
"""Nova's CPU power management under a guest that holds less than it is pinned to.

All of its pins stay awake while it runs, see docs/decisions: growth finds its cores awake.
"""

import ddt
from nova.tests import fixtures as nova_fixtures
from nova.virt import hardware
from nova.virt.libvirt.cpu import api as cpu_api

from tests.functional.pinned import DEDICATED, ISOLATE, MIXED, PinnedTestCase


class PowerManaged(PinnedTestCase):
    strategy = None

    def _prepare_host(self):
        self.useFixture(nova_fixtures.PrivsepFixture())
        self.useFixture(nova_fixtures.SysFileSystemFixture())
        self.flags(cpu_power_management=True, group="libvirt")
        self.flags(cpu_power_management_strategy=self.strategy, group="libvirt")

    def _awake(self):
        """The dedicated host CPUs that are awake."""
        return {
            cpu
            for cpu in hardware.get_cpu_dedicated_set()
            if cpu_api.Core(cpu).online and self._is_fast(cpu_api.Core(cpu))
        }

    def _is_fast(self, core):
        return True

    def _has_vcpus(self, count):
        self._wait(lambda: self.assertEqual(count, self._status()["vcpus"]["actuated"]))

    def _are_awake_while_it_runs(self, least):
        """Its pins, at every size; and none of them when it does not run."""
        pins = {int(cpu) for cpu in self._pins().values() if "-" not in cpu}
        pins |= {int(cpu) for cpu in [self._emulator()] if "-" not in cpu}
        assert self._awake() == pins
        for count in (4, least):
            self._adjust(current_vcpus=count)
            self._has_vcpus(count)
            assert self._awake() == pins
        self._stop_server(self.server)
        assert self._awake() == set()
        self._adjust(current_vcpus=4)
        assert self._awake() == set()
        self._start_server(self.server)
        self._has_vcpus(4)
        assert self._awake() == pins
        self._delete_server(self.server)
        assert self._awake() == set()


@ddt.ddt
class CpuState(PowerManaged):
    strategy = "cpu_state"

    def test_nothing_is_awake_before(self):
        assert self._awake() == set()

    @ddt.data((1, DEDICATED), (1, DEDICATED, ISOLATE), (2, MIXED))
    def test_pins_are_awake_while_it_runs(self, case):
        least, *policies = case
        self._elastic_with(*policies)
        self._are_awake_while_it_runs(least)

    def test_the_cores_of_another_are_its_own(self):
        first = self._boot(self._flavor(vcpus=2, minimum_cpu=1, **DEDICATED))
        its = {int(cpu) for cpu in self._pins(first).values()}
        self._elastic_with(DEDICATED)
        self._delete_server(self.server)
        assert self._awake() == its


class Governor(PowerManaged):
    strategy = "governor"

    def _is_fast(self, core):
        return core.governor == "performance"

    def test_pins_are_fast_while_it_runs(self):
        self._elastic_with(DEDICATED)
        self._are_awake_while_it_runs(1)
