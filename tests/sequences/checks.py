# SPDX-License-Identifier: Apache-2.0
"""Finds what is wrong in a cloud that should have come to rest."""

import time

from lxml import etree
from nova import context as nova_context
from nova import objects
from nova.conf import CONF
from nova.tests.fixtures import libvirt as fakelibvirt

from lab.patience import Patience
from nova_xloud.adapters import nova_objects
from nova_xloud.core.instance.lifecycle import ADJUST
from nova_xloud.core.instance.state import DRIVEN_STATES
from nova_xloud.core.size import Size
from nova_xloud.libvirt.guest_xml import read_size
from nova_xloud.testing.behaviour import Power
from nova_xloud.testing.fake_virdomain import XML_INACTIVE
from tests.sequences.forks import Broken

# Seconds, as Patience counts them, in which a cloud comes to rest.
COMES_TO_REST = 8

# A server with one of these conditions may hold another size than the one that it is to have.
EXPLAINS = {"GuestRefused", "BalloonNotEffective", "GuestSilent", "RemovalUnsettled"}
# "Not converged" for these reasons passes by itself, or is a fault.
PASSES = {"xloud.admitted", "xloud.converging", "xloud.drifted", "xloud.failed"}


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
            raise Broken(found[0][0], "; ".join(f"{kind}: {text}" for kind, text in found))
        time.sleep(0.1)


def _run_passes(cloud):
    """Run a pass on each host that is up; periodic tasks do not run by themselves here."""
    uuids = [one.uuid for one in cloud.servers().values()]
    for manager in _managers(cloud).values():
        manager.xloud.reconcile().join()
        patience = Patience(COMES_TO_REST)
        while any(manager.xloud._worker.is_busy(uuid) for uuid in uuids):
            if patience.is_over():
                break
            time.sleep(0.01)


def _managers(cloud):
    """Return each ComputeManager that runs, by the name of its host."""
    return {
        host: service.manager for host, service in cloud.computes.items() if host not in cloud.down
    }


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
        yield from _sizes(cloud, name, server, status, record)
        yield from _events(cloud, name, server, status)
    yield from _audit(cloud, servers)
    yield from _trackers(cloud)
    yield from _quota(cloud, servers)
    yield from _guests(cloud, servers)


def _sizes(cloud, name, server, status, record):
    """Yield where record, claim, guest and definition differ, and no condition says why."""
    if server.host is None or server.host in cloud.down:
        if status["source"] != "database":
            yield "status", f"{name} is on no host that is up, and {status['source']} answers"
        return
    if server.vm_state not in (*DRIVEN_STATES, "suspended"):
        # Only the claim has to be right, which the audit checks.
        return
    conditions = {one["type"]: one["reason"] for one in status["conditions"]}
    says = f"{name} ({server.vm_state}; {', '.join(f'{k}: {v}' for k, v in conditions.items())})"
    domain = _domain(cloud, server.host, server.uuid)
    is_running = domain is not None and domain.guest.active
    yield from _not_converged(says, domain, status, is_running)
    desired = nova_objects.desired_of(record, nova_objects.facts_of_instance(record))
    told = _numbers(status, "desired")
    if told != desired.target:
        yield "desired", f"{says} is to have {desired.target}, and its status says {told}"
    lacks_guest = not is_running and server.vm_state in ("active", "paused", "rescued")
    if EXPLAINS & conditions.keys() or lacks_guest or _waits_for_guest(domain, status):
        # The audit checks that the claim covers what the guest holds meanwhile.
        return
    if _numbers(status, "reserved") != desired.claim:
        reserved = _numbers(status, "reserved")
        yield "reserved", f"{says} needs {desired.claim}, and {reserved} are reserved"
    if is_running:
        yield from _guest_size(says, domain, status, desired)
    if domain is not None and server.vm_state in DRIVEN_STATES:
        yield from _definition(says, domain, desired)


def _numbers(status, which):
    return Size(status["vcpus"][which], status["memory_mb"][which])


def _definition(says, domain, desired):
    defined = _size(domain, XML_INACTIVE)
    if defined != desired.persisted:
        yield "definition", f"{says} is to start with {desired.persisted}, not {defined}"


def _converged(status):
    return next(one for one in status["conditions"] if one["type"] == "Converged")


def _not_converged(says, domain, status, is_running):
    converged = _converged(status)
    if converged["status"]:
        return
    reason, why = converged["reason"], f"{says}: {converged['message']}"
    is_explained = any(one["type"] in EXPLAINS for one in status["conditions"])
    if reason == "xloud.drifted" and not status["generation"] and is_explained:
        # One that was never adjusted is not driven to its boot size while its claim covers it.
        return
    if reason in PASSES or (reason == "xloud.no_guest" and is_running):
        yield "not_converged", why
    if reason == "xloud.deferred" and not _waits_for_guest(domain, status):
        yield "deferred", why


def _waits_for_guest(domain, status):
    """Return whether an adjustment waits until the paused guest goes on."""
    is_paused = domain is not None and domain.guest.power is Power.PAUSED
    return is_paused and _converged(status)["reason"] == "xloud.deferred"


def _guest_size(says, domain, status, desired):
    vcpus, memory, actuated = status["vcpus"], status["memory_mb"], _numbers(status, "actuated")
    if actuated != desired.target:
        yield "actuated", f"{says} has {actuated} and is to have {desired.target}"
    if _size(domain, 0) != actuated:
        yield "xml", f"{says} has {actuated}, and {_size(domain, 0)} in libvirt's XML"
    explained = any(one["type"] == "CpusNotOnline" for one in status["conditions"])
    if vcpus["observed"] not in (None, actuated.vcpus) and not explained:
        yield "observed", f"{says} has {vcpus['observed']} of {actuated.vcpus} vCPUs online"
    # Unknown for a driver that has never reported: then the maximum may be held, and is claimed.
    if memory["observed"] is None and memory["reserved"] == status["max_memory_mb"]:
        return
    if memory["observed"] != actuated.memory_mb:
        yield "observed", f"{says} is seen to have {memory['observed']} of {actuated}"


def _domain(cloud, host, uuid):
    connection = cloud.computes[host].driver._host.get_connection()
    try:
        return connection.lookupByUUIDString(uuid)
    except fakelibvirt.libvirtError:
        return None


def _size(domain, flags):
    size = read_size(etree.fromstring(domain.XMLDesc(flags)))
    return Size(size.vcpus, size.memory_kib // 1024)


def _events(cloud, name, server, status):
    """Yield events without an end, but for the newest adjustment of a server, if it waits.

    An adjustment that was deferred goes on with the same event, and so does one whose host has gone
    down, once the host is there again.
    """
    waits = _converged(status)["reason"] == "xloud.deferred" or server.host in cloud.down
    context = cloud._in_the_cell()
    # The newest action comes first.
    for action in objects.InstanceActionList.get_by_instance_uuid(context, server.uuid):
        may_go_on = waits and action.action == ADJUST
        for event in objects.InstanceActionEventList.get_by_action(context, action.id):
            if event.finish_time is None and not may_go_on:
                yield "event", f"{name}: {event.event} of the action {action.action} has no end"
        waits = waits and action.action != ADJUST


def _audit(cloud, servers):
    report = cloud._invariants("--settle", "0.1")
    for one in (*report["breaks"], *report["not_checked"]):
        text = str(one)
        for name, server in servers.items():
            text = text.replace(server.uuid, name)
        yield f"audit_{one.get('code', 'not_checked')}", text


def _trackers(cloud):
    """Yield hosts that, even after they have counted anew, do not count what is allocated."""
    for host, manager in _managers(cloud).items():
        allocated = cloud._usage_of(host)
        if _counted(manager, host) != allocated:
            manager.update_available_resource(nova_context.get_admin_context())
        if _counted(manager, host) != allocated:
            yield "tracker", f"{host} counts {_counted(manager, host)}, {allocated} are allocated"


def _counted(manager, host):
    node = manager.rt.compute_nodes[host]
    return node.vcpus_used, node.memory_mb_used - CONF.reserved_host_memory_mb


def _quota(cloud, servers):
    limits = cloud.admin_api.api_get("/limits").body["limits"]["absolute"]
    used = limits["totalCoresUsed"], limits["totalRAMUsed"]
    counted = [one.recorded for one in servers.values() if one.vm_state != "soft-delete"]
    together = sum(one[0] for one in counted), sum(one[1] for one in counted)
    if used != together:
        yield "quota", f"{used} are used by the quota, and {together} by the servers"


def _guests(cloud, servers):
    """Yield guests that run on a host where their server is not."""
    hosts = {server.uuid: server.host for server in servers.values()}
    for host, manager in _managers(cloud).items():
        for domain in manager.driver._host.get_connection()._vms.values():
            on = hosts.get(domain.UUIDString(), host)
            if domain.guest.active and on != host:
                yield "guest_elsewhere", f"{domain.name()} runs on {host}, its server is on {on}"
