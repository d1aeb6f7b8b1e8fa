# SPDX-License-Identifier: Apache-2.0
"""The commands of ``openstack`` for servers that grow by themselves."""

from tests.functional.shell import ClientTestCase
from tests.functional.test_autoscale import Scaled


class Commands(Scaled, ClientTestCase):
    def _recommended_names(self):
        ended = self.adjust("list", "--recommended", "-f", "json")
        assert ended.code == 0, ended
        return {row["Name"]: row for row in ended.json}

    def test_mode_is_asked_for_alone_shown_and_listed(self):
        name = self.server["name"]
        told = self.adjust(name, "--autoscale", "observe", "-f", "json").json
        assert (told["outcome"], told["asked"], told["autoscale"]) == ("admitted", {}, "observe")
        self._recommended(1)
        assert self._recommended_names() == {}
        self._busy()
        self._recommended(2)
        row = self._recommended_names()[name]
        assert (row["vCPUs"], row["Recommended vCPUs"], row["Autoscale"]) == (1, 2, "observe")
        assert row["Recommended Because"][0].startswith("grow.")
        table = self.adjust("list", "--recommended").out
        assert "Recommended vCPUs" in table
        shown = self.adjust("show", name).out
        assert "observe (requested), profile balanced, weight 100" in shown
        assert "recommended: 2 vCPUs, 512 MiB since " in shown
        assert "the guest's figures are " in shown

    def test_flavor_takes_the_request_back_and_wait_returns(self):
        name = self.server["name"]
        assert self.adjust(name, "--autoscale", "on", "--wait", "--timeout", "60").code == 0
        assert self._scaled()["requested"] == "on"
        assert self.adjust(name, "--autoscale", "flavor").code == 0
        assert (self._scaled()["mode"], self._scaled()["requested"]) == ("off", None)
        assert "off" in self.adjust("show", name).out
        wrong = self.adjust(name, "--autoscale", "sometimes")
        assert wrong.code == 2
        assert "invalid choice: 'sometimes'" in wrong.err
