# SPDX-License-Identifier: Apache-2.0
"""What to do next, for each code. A code that is not here has the advice of what it begins with."""

from __future__ import annotations

_AGAIN = "It is tried again by itself after 1, 2, 4 ... minutes"
_LOOK = "openstack server adjust show says how far it is."
_REBOOT = "Reboot it hard (openstack server reboot --hard), or stop and start it, and ask again."

ADVICE: dict[str, str] = {
    "xloud.invalid": "See openstack help server adjust for what can be asked.",
    "xloud.out_of_bounds": "openstack server adjust show has its minimum and maximum; more than "
    "its flavor needs another flavor (openstack server resize).",
    "xloud.forbidden": "Ask an administrator to do it, or to allow it by the policy that the "
    "message names.",
    "xloud.quota": "Ask for less, make another server of the project smaller, or have the quota "
    "raised.",
    "xloud.not_found": "It has just left its host: ask again.",
    "xloud.invalid_state": "Wait until its operation is over (openstack server show), and ask "
    "again.",
    "xloud.no_capacity": "Ask for less, or move it or another server away (openstack server "
    "migrate --live-migration).",
    "xloud.no_allocation": "An administrator repairs that with nova-xloud-run nova-manage "
    "placement heal_allocations.",
    "xloud.claim_refused": f"{_AGAIN}. Nothing is lost: more is reserved than needed. An "
    "administrator makes room on its host, or looks at the host's inventory in Placement.",
    "xloud.blocked": "openstack server adjust show lists all that blocks it.",
    "xloud.blocked.boot_vcpus": _REBOOT,
    "xloud.blocked.removal_unsettled": _REBOOT,
    "xloud.blocked.vcpu_removal": "Stop it (openstack server stop), ask again, and start it.",
    "xloud.blocked.vcpu_hotplug": "Resize it to a flavor with other vCPUs (openstack server "
    "resize).",
    "xloud.host_unavailable": "Ask again when its host is up (openstack compute service list).",
    "xloud.host_unsupported": "An administrator starts nova-compute there through nova-xloud-run, "
    "or moves the server.",
    "xloud.placement_unavailable": "Ask again in a moment.",
    "xloud.refused": "openstack server adjust show may tell more.",
    "xloud.admitted": _LOOK,
    "xloud.converging": _LOOK,
    "xloud.deferred": "It goes on when the other operation is over, or the guest is unpaused.",
    "xloud.failed": "openstack server show says whether it runs; openstack server event show has "
    "the error.",
    "xloud.guest_refused": f"{_AGAIN}; openstack server adjust show says how it went.",
    "xloud.no_guest": "openstack server show has its fault; hard reboot or rebuild it.",
    "xloud.gave_up": "It keeps what it has. Ask again when the reason has gone, or for another "
    "size.",
    "xloud.gave_up.memory_floor": "It keeps what it has, after its next start too. Ask again with "
    "more memory, or when it uses less.",
    "xloud.guest_refused.memory_floor": f"{_AGAIN}. Ask for more memory, stop programs in the "
    "guest, or ask with --force, which may push it out of memory. Without that it starts next with "
    "what was asked for; to ask for the size that it has prevents it.",
    "xloud.guest_refused.no_statistics": "Load the virtio balloon driver in the guest, or ask with "
    "--force, which may push it out of memory.",
    "xloud.balloon.not_confirmed": "Load a balloon driver that reports statistics in the guest "
    "(Windows: its service); until one reports, its maximum of memory is counted.",
    "xloud.guest_silent": "Look at its console (openstack console log show). Adjust it to more "
    "memory, and reboot it hard (openstack server reboot --hard).",
    "xloud.guest_refused.memory_not_reached": f"{_AGAIN}. Look at the guest's balloon driver.",
    "xloud.guest_refused.vcpus_not_added": f"{_AGAIN}. Look whether the guest hot-plugs CPUs.",
    "xloud.guest_refused.vcpus_not_online": f"{_AGAIN}. Bring the CPUs online in the guest.",
    "xloud.guest_refused.vcpus_not_removed": f"Look whether the guest lets CPUs go. {_REBOOT}",
    "xloud.guest_refused.removal_unsettled": _REBOOT,
    "xloud.guest_refused.memory_pinned": "Ask for the maximum of memory, or detach the device that "
    "is passed through to the server.",
    "xloud.guest_refused.definition_not_set": _REBOOT,
    "xloud.guest_refused.not_in_time": f"{_AGAIN}.",
}

# Of Nova's own messages, which have no code.
PLAIN: dict[int, str] = {
    404: "Is it in another project? Its id finds it, or --all-projects its name.",
    409: "Unlock it (openstack server unlock), or wait until its operation is over, and ask again.",
}


def next_step(code: str, http_status: int = 0) -> str:
    """What to do, in a sentence; empty where nothing is known.

    :param code: may be empty; then it goes by ``http_status``
    """
    while code:
        if code in ADVICE:
            return ADVICE[code]
        code = code.rpartition(".")[0]
    return PLAIN.get(http_status, "")
