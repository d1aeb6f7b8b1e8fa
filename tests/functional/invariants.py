# SPDX-License-Identifier: Apache-2.0
"""What the tests of ``nova-xloud-status invariants`` share."""

import contextlib
import dataclasses
import io
import json

from nova import context as nova_context

from nova_xloud.adapters import nova_objects
from nova_xloud.cmd import status
from tests.functional.base import AdjustTestCase


class InvariantsTestCase(AdjustTestCase):
    """A cloud where every rule holds."""

    def setUp(self):
        super().setUp()
        self._has(1, 512)
        self.provider = self.compute_rp_uuids["host1"]
        self.admin = nova_context.get_admin_context()

    def _run(self, *arguments):
        """The exit code, and what was printed."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = status.main(
                ["invariants", "--settle", "0.2", *arguments],
                configured=lambda options: contextlib.nullcontext(),
            )
        return code, out.getvalue()

    def _check(self, *arguments):
        """The exit code, and the report."""
        code, printed = self._run("-f", "json", *arguments)
        report = json.loads(printed)
        assert report["exit_code"] == code
        return code, report

    def _holds(self, *arguments):
        code, report = self._check(*arguments)
        assert (code, report["breaks"], report["not_checked"]) == (0, [], []), report
        return report

    def _broken(self, *codes, arguments=()):
        """Just these rules are broken; returns what is said of them."""
        code, report = self._check(*arguments)
        assert [finding["code"] for finding in report["breaks"]] == list(codes), report
        assert (code, report["not_checked"]) == (1, []), report
        return report["breaks"]

    def _not_checked(self, *arguments):
        code, report = self._check(*arguments)
        assert (code, report["breaks"]) == (2, []), report
        (unread,) = report["not_checked"]
        return unread["what"], unread["remedy"]

    def _desire(self, **changes):
        record = self._record(self.server)
        facts = nova_objects.facts_of_instance(record)
        desired = dataclasses.replace(nova_objects.desired_of(record, facts), **changes)
        nova_objects.set_desired(record, desired)
        record.save()

    def _host_goes_down(self):
        self.computes["host1"].stop()
        (service,) = self.admin_api.get_services(host="host1", binary="nova-compute")
        self.admin_api.put_service_force_down(service["id"], True)
