# SPDX-License-Identifier: Apache-2.0
"""What people see of a size that was given up, and of a server that has no guest."""

from nova import context as nova_context
from nova import objects
from nova.compute import vm_states

from nova_xloud.testing import Behaviour
from tests.functional.base import AdjustTestCase


class GivenUp(AdjustTestCase):
    boot_grace = 0
    step_timeout = 1

    def start_compute(self, *arguments, **options):
        # Its options are read when it starts.
        self.flags(give_up_after=3, group="xloud")
        return super().start_compute(*arguments, **options)

    def test_a_refused_shrink_is_given_up_and_told_until_somebody_asks_again(self):
        self._adjust(current_vcpus=3, current_memory_mb=768)
        self._has(3, 768)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REFUSES
        self._adjust(current_memory_mb=512)
        self._failed("xloud.guest_refused", "the guest's next start has 512 MiB")
        refused = self._conditions()["GuestRefused"]
        assert "the guest's next start has 512 MiB" in refused["message"]
        # Nobody but the pass tries again; of the second try nothing but the count is written.
        manager = self.computes["host1"].manager
        manager.xloud.reconcile()
        self._wait(lambda: self._is_tried("2"))
        manager.xloud._reconciler._attempts.forget_others(())
        manager.xloud.reconcile()
        self._wait(lambda: self._is_given_up())
        self._has(3, 768)
        gave_up = self._conditions()["GaveUp"]
        assert gave_up["reason"].startswith("xloud.gave_up.")
        assert "3 vCPUs, 512 MiB were asked for" in gave_up["message"]
        assert "keeps 3 vCPUs, 768 MiB" in gave_up["message"]
        self._wait(lambda: self._is_converged())
        # One that refuses keeps all of its memory when it starts.
        self.guests.domain(self.server["id"]).behaviour = Behaviour.COOPERATIVE
        self._action("os-stop")
        self._wait_for_state_change(self.server, "SHUTOFF")
        self._action("os-start")
        self._wait_for_state_change(self.server, "ACTIVE")
        self._has(3, 768)
        self._adjust(current_memory_mb=768)
        assert "GaveUp" not in self._conditions()

    def test_a_server_in_error_without_a_guest_is_not_converged(self):
        self._has(1, 512)
        self.guests.domain(self.server["id"]).stop()
        instance = objects.Instance.get_by_uuid(nova_context.get_admin_context(), self.server["id"])
        instance.vm_state = vm_states.ERROR
        instance.save()
        converged = self._conditions()["Converged"]
        assert (converged["status"], converged["reason"]) == (False, "xloud.no_guest")
        self.flags(rpc_response_timeout=3)
        self.computes["host1"].stop()
        self._wait(lambda: self._is_from("database"))
        converged = self._conditions()["Converged"]
        assert (converged["status"], converged["reason"]) == (False, "xloud.no_guest")

    def test_a_stopped_server_is_converged(self):
        self._action("os-stop")
        self._wait_for_state_change(self.server, "SHUTOFF")
        assert self._conditions()["Converged"]["status"] is True

    def _conditions(self):
        return {one["type"]: one for one in self._status()["conditions"]}

    def _is_given_up(self):
        assert "GaveUp" in self._conditions()

    def _is_converged(self):
        assert self._conditions()["Converged"]["status"] is True

    def _is_tried(self, times):
        context = nova_context.get_admin_context()
        instance = objects.Instance.get_by_uuid(context, self.server["id"], ["system_metadata"])
        assert instance.system_metadata["xloud_tries"] == times

    def _is_from(self, source):
        assert self._status()["source"] == source

    def _action(self, name):
        self.admin_api.post_server_action(self.server["id"], {name: None})
