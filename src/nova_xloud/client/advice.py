# SPDX-License-Identifier: Apache-2.0
"""What to do next after an error, found by the error's code or by its HTTP status.

A code that is not in the table has the advice of the longest code that it begins with.
"""

from __future__ import annotations

_AGAIN = "nova-xloud tries again by itself after 1, 2, 4 ... minutes"
_LOOK = "openstack server adjust show shows how far the adjustment is."
_REBOOT = (
    "Reboot the server hard (openstack server reboot --hard), or stop and start it; then ask again."
)

ADVICE: dict[str, str] = {
    "xloud.invalid": "openstack help server adjust lists what can be asked for.",
    "xloud.out_of_bounds": "openstack server adjust show lists the server's minimum and maximum. "
    "To go above the maximum, resize the server to a larger flavor (openstack server resize).",
    "xloud.forbidden": "Ask an administrator to adjust the server, or to give you the right that "
    "the policy in the message asks for.",
    "xloud.quota": "Ask for less, make another server of the project smaller, or have the quota "
    "raised.",
    "xloud.not_found": "The server has just left its compute host. Ask again.",
    "xloud.invalid_state": "Wait until the server's current operation is over (openstack server "
    "show), and ask again.",
    "xloud.no_capacity": "Ask for less, or move this or another server to another compute host "
    "(openstack server migrate --live-migration).",
    "xloud.no_allocation": "An administrator can create the missing allocation with "
    "nova-xloud-run nova-manage placement heal_allocations.",
    "xloud.claim_refused": f"{_AGAIN}. Until then Placement reserves more for the server than the "
    "server needs, so nothing is lost. An administrator can make room on the server's compute "
    "host, or check that host's inventory in Placement.",
    "xloud.blocked": "openstack server adjust show lists everything that blocks adjustments of the "
    "server.",
    "xloud.blocked.boot_vcpus": _REBOOT,
    "xloud.blocked.removal_unsettled": _REBOOT,
    "xloud.blocked.vcpu_removal": "Stop the server (openstack server stop), ask again, and start "
    "the server.",
    "xloud.blocked.vcpu_hotplug": "Resize the server to a flavor with another number of vCPUs "
    "(openstack server resize).",
    "xloud.host_unavailable": "Ask again when the server's compute host is up (openstack compute "
    "service list).",
    "xloud.host_unsupported": "An administrator can start nova-compute on the server's host with "
    "nova-xloud-run, or move the server to a host where nova-compute runs that way.",
    "xloud.placement_unavailable": "Ask again in a moment.",
    "xloud.refused": "openstack server adjust show may say more about the server.",
    "xloud.admitted": _LOOK,
    "xloud.converging": _LOOK,
    "xloud.drifted": _LOOK,
    "xloud.deferred": "The adjustment continues when the other operation is over, or when the "
    "guest is unpaused.",
    "xloud.failed": "openstack server show says whether the server runs; openstack server event "
    "show has the error.",
    "xloud.guest_refused": f"{_AGAIN}; openstack server adjust show says what the guest has.",
    "xloud.no_guest": "openstack server show has the server's fault. Reboot the server hard "
    "(openstack server reboot --hard), or rebuild it.",
    "xloud.gave_up": "The server keeps the size that it has. Ask again when the reason is gone, or "
    "ask for another size.",
    "xloud.gave_up.memory_floor": "The server keeps the memory that it has, after its next start "
    "too. Ask again with more memory, or when the guest uses less.",
    "xloud.guest_refused.memory_floor": f"{_AGAIN}. Ask for more memory, stop programs in the "
    "guest, or ask with --force, which may push the guest out of memory. When the server starts "
    "next it has the size that was asked for; to prevent that, ask for the size that it has now.",
    "xloud.guest_refused.no_statistics": "Load the virtio balloon driver in the guest, or ask with "
    "--force, which may push the guest out of memory.",
    "xloud.balloon.not_confirmed": "Load a balloon driver that reports statistics in the guest (in "
    "Windows: the balloon service). Until a driver reports, the server's maximum of memory is "
    "counted.",
    "xloud.guest_silent": "Look at the server's console (openstack console log show). Adjust the "
    "server to more memory, and reboot it hard (openstack server reboot --hard).",
    "xloud.guest_refused.memory_not_reached": f"{_AGAIN}. Check the balloon driver in the guest.",
    "xloud.guest_refused.vcpus_not_added": f"{_AGAIN}. Check that the guest supports CPU hot-plug.",
    "xloud.guest_refused.vcpus_not_online": f"{_AGAIN}. Bring the CPUs online in the guest.",
    "xloud.guest_refused.vcpus_not_removed": "Check that the guest allows its CPUs to be removed. "
    f"{_REBOOT}",
    "xloud.guest_refused.removal_unsettled": _REBOOT,
    "xloud.guest_refused.memory_pinned": "Ask for the maximum of memory, or detach the device that "
    "is passed through to the server.",
    "xloud.guest_refused.definition_not_set": _REBOOT,
    "xloud.guest_refused.not_in_time": f"{_AGAIN}.",
}

# Advice for Nova's own messages, which have no code, by their HTTP status.
PLAIN: dict[int, str] = {
    404: "Is the server in another project? Its ID finds it; administrators find its name with "
    "--all-projects.",
    409: "Unlock the server (openstack server unlock), or wait until its operation is over; then "
    "ask again.",
}


def next_step(code: str, http_status: int = 0) -> str:
    """Return what to do next, in one or more sentences; empty if there is no advice.

    :param code: the reason code; if it is empty, or no beginning of it has advice, ``http_status``
        decides
    """
    while code:
        if code in ADVICE:
            return ADVICE[code]
        code = code.rpartition(".")[0]
    return PLAIN.get(http_status, "")
