# SPDX-License-Identifier: Apache-2.0
"""Finds what is wrong in a cloud that should have come to rest."""

import time

from nova import context as nova_context
from nova import objects

from lab.patience import Patience
from nova_xloud.adapters import nova_objects
from nova_xloud.core.instance.lifecycle import ADJUST
from nova_xloud.core.instance.state import DRIVEN_STATES
from nova_xloud.core.size import Size
from tests.sequences import sizes, sums
from tests.sequences.evidence import evidence
from tests.sequences.forks import Broken

# Seconds, as Patience counts them, in which a cloud comes to rest. On a busy machine a run may find
# that QEMU or Placement does not answer within 10 s, and a pass tries again 5 s later.
COMES_TO_REST = 30


def come_to_rest(cloud):
    """Have the hosts do what they do by themselves, until nothing is wrong.

    :raises Broken: something stays wrong
    """
    patience = Patience(COMES_TO_REST)
    while True:
        _run_passes(cloud)
        found = [*wrong(cloud)]
        if not found:
            return
        if patience.is_over():
            said = "; ".join(f"{kind}: {text}" for kind, text in found)
            raise Broken(found[0][0], f"{said}\n{evidence(cloud, managers(cloud))}")
        time.sleep(0.1)


def _run_passes(cloud):
    """Run a pass on each host that is up; periodic tasks do not run by themselves here."""
    uuids = [one.uuid for one in cloud.servers().values()]
    for manager in managers(cloud).values():
        manager.xloud.reconcile().join()
        patience = Patience(COMES_TO_REST)
        while any(manager.xloud._worker.is_busy(uuid) for uuid in uuids):
            if patience.is_over():
                break
            time.sleep(0.01)


def managers(cloud):
    """Return each ComputeManager that runs, by the name of its host."""
    return {
        host: service.manager for host, service in cloud.computes.items() if host not in cloud.down
    }


def count_anew(cloud):
    """Have the hosts count their servers anew, as Nova does each minute.

    :raises Broken: a host counts other than Placement has allocated there
    """
    patience = Patience(COMES_TO_REST)
    while found := [*_counted_wrong(cloud)]:
        if patience.is_over():
            raise Broken("tracker", "; ".join(found))
        # A guest may take memory at any time.
        _run_passes(cloud)
        time.sleep(0.1)


def _counted_wrong(cloud):
    for host, manager in managers(cloud).items():
        manager.update_available_resource(nova_context.get_admin_context())
        counted, allocated = sums.sums(manager.rt), cloud._usage_of(host)
        if counted != allocated:
            yield f"{host} counts {counted} anew, and {allocated} are allocated there"


def is_counted(cloud, name):
    """Return whether a server is in the sums of its host, or is elastic, or is on no host."""
    server = cloud.servers()[name]
    if server.host is None or server.host in cloud.down:
        return True
    tracker = cloud.computes[server.host].manager.rt
    is_elastic = nova_objects.is_elastic(cloud._record({"id": server.uuid}))
    return is_elastic or server.uuid in sums.tracked(tracker)


def wrong(cloud):
    """Yield all that is wrong: a word for its kind, and a text."""
    servers = cloud.servers()
    for name, server in servers.items():
        if server.is_nowhere:
            continue
        record = cloud._record({"id": server.uuid})
        if record.task_state or server.vm_state == "building":
            yield "task_state", f"{name} is {server.vm_state}, with task_state {record.task_state}"
            # An operation is on its way. All else has to hold only once it has ended.
            return
        status = cloud._status({"id": server.uuid})
        yield from sizes.wrong(cloud, name, server, status, record)
        yield from _events(cloud, name, server, status)
    yield from _audit(cloud, servers)
    yield from _hosts(cloud, servers)
    yield from _quota(cloud, servers)
    yield from _guests(cloud, servers)


def _events(cloud, name, server, status):
    """Yield events without an end, but for the newest adjustment of a server, if it waits.

    An adjustment that was deferred goes on with the same event, and so does one whose host has gone
    down, once the host is there again, and one whose server is in a state in which none is driven.
    """
    reason = sizes.converged(status)["reason"]
    waits = reason == "xloud.deferred" or server.host in cloud.down
    waits = waits or (server.vm_state not in DRIVEN_STATES and reason == "xloud.admitted")
    context = cloud._in_the_cell()
    # The newest action comes first.
    for action in objects.InstanceActionList.get_by_instance_uuid(context, server.uuid):
        may_go_on = waits and action.action == ADJUST
        for event in objects.InstanceActionEventList.get_by_action(context, action.id):
            if event.finish_time is None and not may_go_on:
                yield (
                    "event",
                    f"{name}: {event.event} of the action {action.action} has no end ({reason})",
                )
        waits = waits and action.action != ADJUST


def _audit(cloud, servers):
    report = cloud._invariants("--settle", "0.1")
    for one in (*report["breaks"], *report["not_checked"]):
        yield f"audit_{one.get('code', 'not_checked')}", _named(servers, str(one))


def _named(servers, text):
    for name, server in servers.items():
        text = text.replace(server.uuid, name)
    return text


def _hosts(cloud, servers):
    """Yield hosts whose sums are wrong as they are now, and hosts that are oversold."""
    for manager in managers(cloud).values():
        for text in cloud.sums.wrong(manager.rt):
            yield "sums", _named(servers, text)
    for host in cloud.computes:
        inventory = cloud._get_provider_inventory(cloud.compute_rp_uuids[host])
        used = cloud._get_provider_usages(cloud.compute_rp_uuids[host])
        for kind in ("VCPU", "MEMORY_MB"):
            has = inventory[kind]
            capacity = (has["total"] - has["reserved"]) * has["allocation_ratio"]
            if used[kind] > capacity:
                yield "oversold", f"{used[kind]} of {capacity} {kind} of {host} are allocated"


def _quota(cloud, servers):
    """Yield where the quota counts other than Placement, or less than guests have.

    A server that is on no host, as after its shelving, counts with the columns.
    """
    limits = cloud.admin_api.api_get("/limits").body["limits"]["absolute"]
    used = Size(limits["totalCoresUsed"], limits["totalRAMUsed"])
    counted = [
        one for one in servers.values() if one.vm_state != "soft-delete" and not one.is_nowhere
    ]
    held = [
        cloud._claims_on(one.host, {"id": one.uuid}) if one.host else one.recorded
        for one in counted
    ]
    allocated = Size(sum(one[0] for one in held), sum(one[1] for one in held))
    if used != allocated:
        yield "quota", f"{used} are used by the quota, and {allocated} in Placement"
    has = [sizes.held_by(guest) for one in counted if (guest := _running(cloud, one)) is not None]
    together = Size(sum(one.vcpus for one in has), sum(one.memory_mb for one in has))
    if not used.covers(together):
        yield "quota", f"{used} are used by the quota, and guests have {together}"


def _running(cloud, server):
    if server.host is None or server.host in cloud.down:
        return None
    domain = sizes.domain_of(cloud, server.host, server.uuid)
    return None if domain is None or not domain.guest.active else domain.guest


def _guests(cloud, servers):
    """Yield guests that run on a host where their server is not."""
    hosts = {server.uuid: server.host for server in servers.values()}
    for host, manager in managers(cloud).items():
        for domain in manager.driver._host.get_connection()._vms.values():
            on = hosts.get(domain.UUIDString(), host)
            if domain.guest.active and on != host:
                yield "guest_elsewhere", f"{domain.name()} runs on {host}, its server is on {on}"
