# SPDX-License-Identifier: Apache-2.0
"""Finds where record, claim, guest and definition of a server differ, and no condition says why.

A condition explains only the resource that it names, and never that too much or too little is
reserved: what the guest holds, or would start with, is known whatever the guest does.
"""

from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_xloud.adapters import nova_objects
from nova_xloud.core.instance.state import DRIVEN_STATES
from nova_xloud.core.size import Size
from nova_xloud.libvirt.guest_xml import read_size
from nova_xloud.testing.behaviour import Power
from nova_xloud.testing.fake_virdomain import XML_INACTIVE

VCPUS, MEMORY, DEFINITION = "vcpus", "memory_mb", "definition"
# By type or reason of a condition: what may be other than desired while the condition is true. A
# guest that refuses vCPUs may refuse memory as well, and its condition names one of the two.
EXPLAINS = {
    "xloud.guest_refused.memory_floor": {MEMORY},
    "xloud.guest_refused.memory_not_reached": {MEMORY},
    "xloud.guest_refused.memory_pinned": {MEMORY},
    "xloud.guest_refused.no_statistics": {MEMORY},
    "xloud.guest_refused.vcpus_not_added": {VCPUS},
    "xloud.guest_refused.vcpus_not_removed": {VCPUS},
    "xloud.guest_refused.vcpus_not_online": {VCPUS},
    "xloud.guest_refused.removal_unsettled": {VCPUS},
    "xloud.guest_refused.definition_not_set": {DEFINITION},
    "BalloonNotEffective": {MEMORY},
    "xloud.guest_silent.low_memory": {MEMORY},
    "xloud.guest_silent.crashed": {VCPUS, MEMORY},
    "RemovalUnsettled": {VCPUS},
}
# "Not converged" for these reasons passes by itself, or is a fault.
PASSES = {"xloud.admitted", "xloud.converging", "xloud.drifted", "xloud.failed"}


def wrong(cloud, name, server, status, record):
    """Yield what is wrong with the sizes of one server: a word for its kind, and a text."""
    if server.host is None or server.host in cloud.down:
        if status["source"] != "database":
            yield "status", f"{name} is on no host that is up, and {status['source']} answers"
        return
    conditions = {one["type"]: one["reason"] for one in status["conditions"]}
    says = f"{name} ({server.vm_state}; {', '.join(f'{k}: {v}' for k, v in conditions.items())})"
    domain = domain_of(cloud, server.host, server.uuid)
    yield from _bounds(says, status, domain)
    if server.vm_state in (*DRIVEN_STATES, "suspended"):
        yield from _of_driven(says, server, status, record, domain, _explained(conditions))


def _of_driven(says, server, status, record, domain, explained):
    is_running = domain is not None and domain.guest.active
    yield from _not_converged(says, domain, status, is_running)
    desired = nova_objects.desired_of(record, nova_objects.facts_of_instance(record))
    told = _numbers(status, "desired")
    if told != desired.target:
        yield "desired", f"{says} is to have {desired.target}, and its status says {told}"
    if not is_running and server.vm_state in ("active", "paused", "rescued"):
        # Without the guest that should be there nothing is released.
        return
    if not waits_for_guest(domain, status):
        needed = _needed(status, desired, domain)
        reserved = _numbers(status, "reserved")
        if reserved != needed:
            yield "reserved", f"{says} needs {needed}, and {reserved} are reserved"
        if is_running:
            yield from _guest_size(says, domain, status, desired, explained)
    if domain is not None and server.vm_state in DRIVEN_STATES and DEFINITION not in explained:
        defined = _size(domain, XML_INACTIVE)
        if defined != desired.persisted:
            yield "definition", f"{says} is to start with {desired.persisted}, not {defined}"


def domain_of(cloud, host, uuid):
    """Return the domain of a server on a host; None if it has none there."""
    connection = cloud.computes[host].driver._host.get_connection()
    try:
        return connection.lookupByUUIDString(uuid)
    except fakelibvirt.libvirtError:
        return None


def held_by(guest):
    """Return what a fake guest that runs really has, whatever QEMU or its driver reports."""
    size = guest.live()
    return Size(size.vcpus, -(-guest.memory.actual_kib // 1024))


def converged(status):
    """Return the condition ``Converged``, which each status has."""
    return next(one for one in status["conditions"] if one["type"] == "Converged")


def waits_for_guest(domain, status):
    """Return whether an adjustment waits until the paused guest goes on."""
    is_paused = domain is not None and domain.guest.power is Power.PAUSED
    return is_paused and converged(status)["reason"] == "xloud.deferred"


def _explained(conditions):
    named = [EXPLAINS.get(one, set()) for pair in conditions.items() for one in pair]
    return set().union(*named)


def _bounds(says, status, domain):
    """Yield where less is reserved than the guest has, or more than its flavor allows."""
    reserved, most = _numbers(status, "reserved"), _most(status)
    for which in ("actuated", "observed"):
        has = _known(status, which)
        if not reserved.covers(has):
            yield "reserved_below_held", f"{says}: {reserved} are reserved, {which} are {has}"
    if domain is not None and domain.guest.active and not reserved.covers(held_by(domain.guest)):
        held = held_by(domain.guest)
        yield "reserved_below_held", f"{says}: {reserved} are reserved, its guest has {held}"
    if not most.covers(reserved):
        yield "reserved_above_maximum", f"{says}: {reserved} are reserved, its flavor has {most}"


def _needed(status, desired, domain):
    """Return what has to be reserved: what is desired, and what the guest has or may take."""
    if domain is None:
        return desired.claim
    needed = desired.claim.at_least(_size(domain, XML_INACTIVE))
    if (saved := domain.guest.saved_size) is not None:
        # A suspended guest goes on with what it had, also where that is not what was desired.
        return needed.at_least(Size(saved.vcpus, -(-saved.memory_kib // 1024)))
    if not domain.guest.active:
        return needed
    needed = needed.at_least(_known(status, "actuated")).at_least(_known(status, "observed"))
    if status["memory_mb"]["observed"] is None:
        # A driver that has never reported: the guest may have all of its memory.
        needed = needed.at_least(Size(0, status["max_memory_mb"]))
    return needed


def _guest_size(says, domain, status, desired, explained):
    actuated = _numbers(status, "actuated")
    if _size(domain, 0) != actuated:
        yield "xml", f"{says} has {actuated}, and {_size(domain, 0)} in libvirt's XML"
    for resource in (VCPUS, MEMORY):
        has, wanted = status[resource]["actuated"], getattr(desired.target, resource)
        if has != wanted and resource not in explained:
            yield "actuated", f"{says} has {has} and is to have {wanted} of {resource}"
        seen = status[resource]["observed"]
        offline = any(one["type"] == "CpusNotOnline" for one in status["conditions"])
        if seen is None or (resource == VCPUS and offline):
            continue
        if seen != has and resource not in explained:
            yield "observed", f"{says} is seen to have {seen} of {has} of {resource}"
    is_unknown = status[MEMORY]["observed"] is None and MEMORY not in explained
    # A guest that may have its maximum counts as having it, which is no more than is desired then.
    if is_unknown and desired.target.memory_mb < status["max_memory_mb"]:
        yield "observed", f"{says}: its memory is not known, and no condition says so"


def _not_converged(says, domain, status, is_running):
    found = converged(status)
    if found["status"]:
        return
    reason, why = found["reason"], f"{says}: {found['message']}"
    is_explained = any({one["type"], one["reason"]} & EXPLAINS.keys() for one in _others(status))
    if reason == "xloud.drifted" and not status["generation"] and is_explained:
        # One that was never adjusted is not driven to its boot size while its claim covers it.
        return
    if reason in PASSES or (reason == "xloud.no_guest" and is_running):
        yield "not_converged", why
    if reason == "xloud.deferred" and not waits_for_guest(domain, status):
        yield "deferred", why


def _others(status):
    return [one for one in status["conditions"] if one["type"] != "Converged"]


def _numbers(status, which):
    return Size(status[VCPUS][which], status[MEMORY][which])


def _known(status, which):
    return Size(status[VCPUS][which] or 0, status[MEMORY][which] or 0)


def _most(status):
    return Size(status["max_vcpus"], status["max_memory_mb"])


def _size(domain, flags):
    size = read_size(etree.fromstring(domain.XMLDesc(flags)))
    return Size(size.vcpus, size.memory_kib // 1024)
