# SPDX-License-Identifier: Apache-2.0
"""XLoud's Skyline console, a client that nobody here wrote, works with this API.

``tests/skyline.py`` says what it sends and reads. ``docs/user/skyline.md`` is the page for users.
"""

import dataclasses
import json
import pathlib

import ddt
import yaml
from nova.tests.fixtures.policy import RealPolicyFixture
from nova.tests.functional.api.client import OpenStackApiException

from nova_xloud.testing import Behaviour
from nova_xloud.testing.behaviour import Timing
from tests import skyline
from tests.functional.base import AdjustTestCase
from tests.functional.raw_requests import RawRequests
from tests.functional.rest_states import HostDown, StockHost

MEMBERS = pathlib.Path(__file__).parents[2] / "docs/samples/policy-members.yaml"
# Whoever uses the console is one of these: the headers of a request.
MEMBER = {"x_auth_user": "fake", "x_roles": "reader,member"}
READER = {"x_auth_user": "fake", "x_roles": "reader"}
STRANGER = {**MEMBER, "x_auth_project_id": "a" * 32}


class ConsoleTestCase(RawRequests, AdjustTestCase):
    """A cloud with a server between 1 / 512 and 4 / 1024, as the console sees it."""

    flavor = skyline.Flavor(4, 1024, {"minimum_cpu": "1", "minimum_memory": "512"})

    def _ask(self, method, path, body=None, **token):
        """The status and the body of the answer to a request of the console."""
        octets = b"" if body is None else json.dumps(body).encode()
        headers = {"openstack_api_version": skyline.MICROVERSION, **token}
        answer = self.send(method, path, octets, **headers)
        return answer.status_int, answer.json

    def _card(self, server=None, **token):
        return skyline.card(*self._ask("GET", self.status_path(server), **token))

    def _open(self, server=None, flavor=None, **token):
        answer = self._ask("GET", self.status_path(server), **token)
        return skyline.open_form(*answer, flavor or self.flavor)

    def _submit(self, body, server=None, **token):
        """The status, and what the user is shown."""
        status, told = self._ask("POST", self.adjust_path(server), body, **token)
        return status, skyline.message(status, told)

    def _is_desired(self, vcpus, memory_mb, server=None):
        status = self._status(server)
        desired = (status["vcpus"]["desired"], status["memory_mb"]["desired"])
        assert desired == (vcpus, memory_mb), status


# What the flavor names, what the server has (MiB), what the user does, what is sent, the answer.
# Multiples of 256 MiB are sent as they are.
ROUNDING = """
minimum  maximum  has   the user            sends   answer
512      1024     512   changes nothing     1/512   202
512      1024     512   moves the vCPUs     2/512   202
512      1024     512   takes 0.75 GB       1/768   202
512      1024     512   takes the maximum   1/1024  202
512      1024     1024  takes the minimum   1/512   202
512      1024     700   changes nothing     1/696   202
512      1024     900   moves the vCPUs     2/901   202
700      1024     700   changes nothing     1/696   400
700      1024     700   moves the vCPUs     2/696   400
700      1024     1024  takes the minimum   1/696   400
512      1000     512   takes the maximum   1/1004  400
512      1000     1000  moves the vCPUs     2/1004  400
"""


def rows(table):
    """The rows of a table whose columns are two spaces or more apart."""
    lines = table.strip().splitlines()[1:]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def filled_in(form, done):
    """The body that is sent when the user has done something to the form."""
    if done == "changes nothing":
        return form.submit()
    if done == "moves the vCPUs":
        return form.submit(vcpus=form.vcpus + 1)
    if done.endswith("GB"):
        return form.submit(memory_gb=float(done.split()[1]))
    return form.submit(memory_gb=form.memory_range[done.endswith("maximum")])


@ddt.ddt
class Rounding(ConsoleTestCase):
    """Nothing is made to fit by the API: what is asked for is given, or refused."""

    @ddt.data(*rows(ROUNDING))
    @ddt.unpack
    def test_what_is_sent(self, minimum, maximum, has, done, sends, answer):
        maximum, has = int(maximum), int(has)
        flavor_id = self._flavor(memory_mb=maximum, minimum_cpu=1, minimum_memory=minimum)
        server = self._boot(flavor_id)
        self._adjust(server, current_memory_mb=has)
        self._has(1, has, server)
        body = filled_in(self._open(server), done)
        vcpus, memory_mb = map(int, sends.split("/"))
        assert body == {"current_vcpus": vcpus, "current_memory_mb": memory_mb, "persist": True}
        status, told = self._submit(body, server)
        assert status == int(answer), told
        if status == 202:
            self._has(vcpus, memory_mb, server)
        else:
            assert told.startswith(f"xloud.out_of_bounds: {memory_mb} MiB is not between"), told
            self._has(1, has, server)


class TheForm(ConsoleTestCase):
    """What the card shows, and what the form sends back."""

    def test_the_card_has_every_field_that_it_shows(self):
        self._has(1, 512)
        assert self._card() == {
            "current_vcpus": 1,
            "current_memory_mb": 512,
            "max_vcpus": 4,
            "max_memory_mb": 1024,
            "min_vcpus": 1,
            "min_memory_mb": 512,
            "balloon_driver_active": True,
            "attached_dimms_mb": 0,
            "has_virtiomem": False,
        }
        form = self._open()
        assert (form.vcpus_range, form.memory_range, form.hints) == ((1, 4), (0.5, 1.0), ())

    def test_a_balloon_on_its_way_does_not_make_the_server_grow(self):
        """Five seconds after the boot the guest has more than it is to keep."""
        self.guests.timing = Timing(driver_seconds=3600)
        server = self._elastic()
        assert self._status(server)["memory_mb"]["actuated"] == 1024
        form = self._open(server)
        assert (form.vcpus, form.memory_gb) == (1, 0.5)
        assert self._submit(form.submit(), server) == (202, "adjusted")
        self._is_desired(1, 512, server)
        assert self._submit(form.submit(vcpus=2), server) == (202, "adjusted")
        self._is_desired(2, 512, server)
        assert self._reserved(server) == {"VCPU": 2, "MEMORY_MB": 512}

    def test_an_adjustment_under_way_is_not_turned_back(self):
        self._has(1, 512)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.NO_ONLINE
        self._adjust(current_vcpus=3, current_memory_mb=1024)
        form = self._open()
        assert (form.vcpus, form.memory_gb) == (3, 1.0)
        assert self._submit(form.submit()) == (202, "adjusted")
        self._is_desired(3, 1024)

    def test_what_the_guest_refuses_to_give_back_is_asked_for_again(self):
        self._adjust(current_memory_mb=1024)
        self._has(1, 1024)
        self.guests.domain(self.server["id"]).behaviour = Behaviour.REFUSES
        self._adjust(current_memory_mb=512)
        assert self._submit(self._open().submit(vcpus=2)) == (202, "adjusted")
        self._is_desired(2, 512)

    def test_a_size_until_the_next_stop_is_kept_for_good_by_the_form(self):
        """Its box "persist" is checked, and it is about all that the form sends."""
        self._adjust(current_memory_mb=768, persist=False)
        self._has(1, 768)
        assert self._submit(self._open().submit(vcpus=2, persist=False)) == (202, "adjusted")
        self._has(2, 768)
        assert self._record(self.server).system_metadata["xloud_memory_mb"] == "512"
        assert self._submit(self._open().submit()) == (202, "adjusted")
        self._has(2, 768)
        assert self._record(self.server).system_metadata["xloud_memory_mb"] == "768"

    def test_threads_of_a_core_are_its_step_and_may_pass_the_maximum(self):
        specs = {**self.flavor.extra_specs, "hw:cpu_threads": "2"}
        flavor = skyline.Flavor(4, 1024, {**specs, "minimum_cpu": "2"})
        named = {name.replace(":", "__"): value for name, value in flavor.extra_specs.items()}
        server = self._boot(self._flavor(**named))
        form = self._open(server, flavor)
        assert form.submit(vcpus=3)["current_vcpus"] == 4
        assert self._submit(form.submit(vcpus=3), server) == (202, "adjusted")

    def test_sizes_out_of_bounds_since_do_not_keep_the_others_from_changing(self):
        server = self._boot(self._flavor())
        self._adjust(server, current_memory_mb=256)
        self._has(4, 256, server)
        xloud = self.computes["host1"].manager.xloud
        xloud.learn(dataclasses.replace(xloud._facts, memory_floor_mb=512))
        assert self._submit(self._open(server).submit(memory_gb=0.375), server)[0] == 400
        assert self._submit(self._open(server).submit(), server) == (202, "adjusted")


class WhoUsesIt(ConsoleTestCase):
    """The button asks for no policy, so members of the project see it."""

    def setUp(self):
        super().setUp()
        self._has(1, 512)
        self.flags(enforce_new_defaults=True, group="oslo_policy")
        self.policy = self.useFixture(RealPolicyFixture())

    def _opened_to_members(self):
        self.policy.set_rules(yaml.safe_load(MEMBERS.read_text()), overwrite=False)

    def test_member_is_refused_by_default_and_told_the_rule(self):
        assert self._card(**MEMBER)["current_vcpus"] == 1
        status, told = self._submit(self._open(**MEMBER).submit(vcpus=2), **MEMBER)
        assert status == 403
        assert told.startswith("xloud.forbidden: "), told
        assert "os_compute_api:xloud:adjust" in told
        self._is_desired(1, 512)

    def test_member_adjusts_with_the_sample_policy(self):
        self._opened_to_members()
        answer = self._submit(self._open(**MEMBER).submit(vcpus=2), **MEMBER)
        assert answer == (202, "adjusted")
        self._has(2, 512)

    def test_bounds_and_quota_hold_with_the_sample_policy(self):
        self._opened_to_members()
        status, told = self._submit(self._open(**MEMBER).submit(vcpus=5), **MEMBER)
        assert (status, told[:21]) == (400, "xloud.out_of_bounds: ")
        self.flags(cores=2, ram=-1, group="quota")
        status, told = self._submit(self._open(**MEMBER).submit(vcpus=3), **MEMBER)
        assert (status, told[:13]) == (403, "xloud.quota: ")
        self._is_desired(1, 512)

    def test_others_are_refused_with_the_sample_policy_too(self):
        self._opened_to_members()
        body = self._open().submit(vcpus=2)
        assert self._submit(body, **READER)[0] == 403
        assert self._submit(body, **STRANGER)[0] == 404
        assert self._card(**STRANGER) is None
        self._is_desired(1, 512)

    def test_who_may_not_read_the_status_is_offered_the_maximum(self):
        """So whoever may adjust has to be allowed to look: see docs/user/skyline.md."""
        form = self._open(**STRANGER)
        assert (form.vcpus, form.memory_gb, form.hints[0]) == (4, 1.0, skyline.FELL_BACK)


class StatesOfTheServer(ConsoleTestCase):
    def setUp(self):
        super().setUp()
        self._has(1, 512)

    def test_stopped_server_has_a_card_and_no_button(self):
        self._stop_server(self.server)
        assert not skyline.has_button("stopped", self.flavor)
        assert self._card()["current_memory_mb"] == 512
        form = self._open()
        assert form.hints == (skyline.NO_DECREASE,)
        assert self._submit(form.submit(vcpus=2)) == (202, "adjusted")

    def test_locked_server_has_no_button_and_is_refused(self):
        form = self._open()
        self.admin_api.post_server_action(self.server["id"], {"lock": {}})
        assert not skyline.has_button("active", self.flavor, locked=True)
        status, told = self._submit(form.submit(vcpus=2))
        assert (status, "locked" in told) == (409, True)

    def test_with_its_host_down_the_form_does_not_offer_the_maximum(self):
        HostDown().prepare(self)
        card = self._card()
        assert (card["current_vcpus"], card["balloon_driver_active"]) == (3, None)
        form = self._open()
        assert (form.vcpus, form.memory_gb, form.hints) == (3, 0.5, (skyline.NO_DECREASE,))
        status, told = self._submit(form.submit())
        assert (status, told[:24]) == (409, "xloud.host_unavailable: ")

    def test_on_a_host_without_nova_xloud_it_does_not_either(self):
        StockHost.case = self
        state = StockHost()
        servers = {}
        state.name = servers.__setitem__
        state.prepare(self)
        server = {"id": servers["ON_STOCK_HOST"]}
        # Not by send(): a stock nova-compute logs an error of a call that it does not know.
        form = skyline.open_form(200, {"xloud_status": self._status(server)}, self.flavor)
        assert (form.vcpus, form.memory_gb, form.hints) == (1, 0.25, (skyline.NO_DECREASE,))
        body = form.submit(vcpus=2)
        answer = self.assertRaises(OpenStackApiException, self._adjust, server, **body).response
        told = skyline.message(answer.status_code, answer.json())
        assert (answer.status_code, told[:24]) == (409, "xloud.host_unsupported: ")

    def test_the_horizon_fork_shows_the_code_of_a_refusal(self):
        body = json.dumps({**self._open().submit(), "current_vcpus": 5}).encode()
        answer = self.send("POST", self.adjust_path(), body)
        shown = skyline.horizon_message(answer.status_int, answer.text)
        assert "xloud.out_of_bounds: 5 vCPUs is not between" in shown


# What is typed in, and what of the answer tells why.
WIZARD = """
vCPUs  GB  minimum vCPUs  minimum GB  virtio-mem  answer  because
4      1   1              0.5         no          200     -
4      1   0              0           no          200     -
4      1   5              0.5         no          400     minimum_cpu=5 is larger than the flavor's 4 vCPUs
4      1   1              2           no          400     minimum_memory=2048 is larger than the flavor's 1024 MiB
4      1   1              0.7         no          400     minimum_memory is '716.8'; it must be an integer
4      1   1              0.1         no          400     minimum_memory is '102.4'; it must be an integer
4      1   1              0.125       no          400     minimum_memory=128 is less than the 256 MiB
4      1   1              0.5         yes         400     adjusted by the guest's balloon
4      1   0              0           yes         200     -
"""  # noqa: E501


@ddt.ddt
class FlavorWizard(ConsoleTestCase):
    """At its microversion Nova checks no extra spec: what cannot be is refused by nova-xloud."""

    def _create(self, vcpus, memory_gb, minimum_cpu, minimum_gb, virtio_mem):
        body, specs = skyline.wizard(
            vcpus, memory_gb, minimum_cpu, minimum_gb, virtio_mem=virtio_mem
        )
        _, made = self._ask("POST", "/v2.1/flavors", {"flavor": {"name": "wizard", **body}})
        flavor_id = made["flavor"]["id"]
        path = f"/v2.1/flavors/{flavor_id}/os-extra_specs"
        return flavor_id, specs, *self._ask("POST", path, {"extra_specs": specs})

    @ddt.data(*rows(WIZARD))
    @ddt.unpack
    def test_what_is_typed_in(self, vcpus, size, minimum_cpu, minimum_gb, virtio, answer, why):
        sizes = int(vcpus), int(size), int(minimum_cpu), float(minimum_gb)
        flavor_id, specs, status, told = self._create(*sizes, virtio == "yes")
        assert status == int(answer), told
        stored = self.admin_api.get_extra_specs(flavor_id)
        if status == 200:
            assert stored == specs
        else:
            assert why in skyline.message(status, told), told
            assert stored == {}

    def test_a_server_of_its_flavor_boots_with_the_minimum(self):
        flavor_id, _, _, _ = self._create(4, 1, 2, 0.75, False)
        server = self._boot(flavor_id)
        self._has(2, 768, server)
        form = self._open(server)
        assert (form.vcpus, form.memory_gb) == (2, 0.75)

    def test_a_stored_virtio_mem_is_no_crash_and_keeps_minimums_from_being_set(self):
        flavor_id, _, status, _ = self._create(4, 1, 0, 0, True)
        assert status == 200
        path = f"/v2.1/flavors/{flavor_id}/os-extra_specs"
        status, told = self._ask("POST", path, {"extra_specs": {"minimum_memory": "512"}})
        assert (status, "hw:mem_hotplug_virtio" in skyline.message(status, told)) == (400, True)
        self._has(4, 1024, self._boot(flavor_id))


def test_the_button_is_shown_for_the_short_names_only():
    scoped = skyline.Flavor(4, 1024, {"xloud:minimum_cpu": "1", "xloud:minimum_memory": "512"})
    assert skyline.has_button("active", ConsoleTestCase.flavor)
    assert not skyline.has_button("active", scoped)
    assert not skyline.has_button("paused", ConsoleTestCase.flavor)


def test_multiples_of_256_mib_are_sent_as_they_are_and_few_others():
    changed = [mb for mb in range(256, 4097) if skyline.mb(skyline.gb(mb)) != mb]
    assert not [mb for mb in changed if mb % 256 == 0]
    assert len(changed) == 3465
    assert max(abs(skyline.mb(skyline.gb(mb)) - mb) for mb in changed) == 5
