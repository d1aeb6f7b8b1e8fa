# SPDX-License-Identifier: Apache-2.0
"""How a cloud comes to rest: what delays that, and what is told of a cloud that does not."""

import time

import pytest
from nova import context as nova_context

from lab.patience import Patience
from nova_xloud.adapters.record import NovaActions
from nova_xloud.compute.converge import _Run
from tests.sequences import checks
from tests.sequences.forks import Broken
from tests.sequences.machine import adjust, carry_out


@pytest.fixture
def fork(origin):
    made = origin.fork()
    arguments = {"server": "s1", "flavor": "small", "image": "plain"}
    made.call(carry_out, operation="create", arguments=arguments)
    yield made
    made.end()


def _finds_placement_silent(cloud):
    silent, asks = [True, True], _Run.who_is_silent

    def who_is_silent(run):
        if silent:
            # The run asks once more before it would record how it ended.
            silent.pop()
            return "Placement"
        return (yield from asks(run))

    _Run.who_is_silent = who_is_silent
    adjust(cloud, "s1", 3, 768)
    here = cloud.servers()["s1"]
    worker, patience = cloud.computes[here.host].manager.xloud._worker, Patience(30)
    while worker.is_busy(here.uuid) and not patience.is_over():
        time.sleep(0.05)
    events = [text for kind, text in checks.wrong(cloud) if kind == "event"]
    checks.come_to_rest(cloud)
    return events


def test_adjustment_whose_run_found_placement_silent_is_open_until_the_next_try(fork):
    (event,) = fork.call(_finds_placement_silent)
    assert event.startswith("s1: compute_xloud_adjust")
    assert event.endswith("has no end (xloud.admitted)")


def _is_opened_while_cell0_is_listed(cloud):
    server = cloud.servers()["s1"]
    host_instances = cloud.computes[server.host].manager.xloud._host_instances
    context = nova_context.get_admin_context()
    with nova_context.target_cell(context, cloud.cell_mappings["cell0"]):
        found = [one.uuid for one in host_instances.records()]
        return (*found, host_instances.open(server.uuid, "").uuid) == (server.uuid,) * 2


def test_pass_finds_its_server_also_while_cell0_is_listed(fork):
    assert fork.call(_is_opened_while_cell0_is_listed)


def _never_ends_its_event(cloud):
    NovaActions._finish = lambda *arguments: None
    checks.COMES_TO_REST = 2
    adjust(cloud, "s1", 3, 768)
    checks.come_to_rest(cloud)


def test_what_is_broken_is_told_with_the_records_and_the_actions(fork):
    with pytest.raises(Broken, match="has no end") as broken:
        fork.call(_never_ends_its_event)
    for words in (
        "xloud_vcpus = 3",
        "xloud_adjust of req-",
        ": no end",
        "host1 has tried",
        "[nova_xloud.",
    ):
        assert words in str(broken.value)
