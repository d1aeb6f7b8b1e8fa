# SPDX-License-Identifier: Apache-2.0
"""Conditions: what each reason means, and what to do.

A code such as ``xloud.gave_up`` is for all reasons that begin with it and have no entry.
"""

from __future__ import annotations

from nova_xloud.core.remedies.blocked import BLOCKED
from nova_xloud.core.remedies.remedy import AGAIN, REBOOT, WHILE_STOPPED, Remedy

_SHOW = "`openstack server adjust show` shows how far the adjustment has come."
_DRIVER = "Load the virtio balloon driver (`virtio_balloon`) in the guest"
_FORCE = (
    "ask with `--force`, which may push the guest out of memory so that the guest kills some of "
    "its programs"
)
_ONLINE = "`echo 1 > /sys/devices/system/cpu/cpuN/online`, or a udev rule"
_LOG = "Read nova-compute's log, which has"
_BOTH_LOGS = "Read nova-compute's log, and QEMU's."
_UNPIN = (
    "Ask for the server's maximum of memory; or, if a device that is passed through pins the "
    "memory, detach the device."
)
_NEXT_START = (
    "When the server starts next it has the size that was asked for; to prevent that, ask for the "
    "size that it has now."
)
_HARD = "(`openstack server reboot --hard`)"
_CONSOLE = (
    "Look at the server's console (`openstack console log show`). If the guest died of too little "
    f"memory, adjust the server to more. Then reboot it hard {_HARD}."
)
_KEPT = "The server keeps the size that it has."
_OR = "and ask again; or ask for another size."

_CONVERGED: dict[str, Remedy] = {
    "xloud.converged": Remedy(
        means="The guest has what is desired (`status` is true).",
        do="There is nothing to do.",
    ),
    "xloud.admitted": Remedy(
        means="An adjustment is admitted and claimed, and not begun.",
        do="Wait: a pass over the host begins the adjustment if nobody else does (`[xloud] "
        f"reconcile_interval`, 60 s). {_SHOW}",
    ),
    "xloud.converging": Remedy(
        means="A run is driving the guest to the desired size.",
        do=f"Wait. {_SHOW}",
    ),
    "xloud.deferred": Remedy(
        means="The adjustment is admitted and waits, for example because another operation on the "
        "server goes first, the guest is paused or has just started, the guest's QEMU or Placement "
        "does not answer, or nova-compute is stopping; the message says why. What the adjustment "
        "needs stays claimed.",
        do="Wait, or unpause the server (`openstack server unpause`) if the guest is paused. The "
        "adjustment continues by itself when what delays it is over.",
    ),
    "xloud.drifted": Remedy(
        means="The guest had the desired size, and has it no more: the guest itself, or somebody "
        "past Nova, changed that.",
        do="Wait: the next pass over the host brings the desired size back. But a server that was "
        f"never adjusted keeps what it has while that is claimed. {_SHOW}",
        operator="Find out who changes the size (`virsh setmem`, `virsh setvcpus`).",
    ),
    "xloud.no_guest": Remedy(
        means="There is no guest that could have a size: the server is in `ERROR`, is being built, "
        "or should run and does not.",
        do="Wait while the server is being built. Otherwise `openstack server show` has the "
        f"server's fault, if there is one: reboot the server hard {_HARD}, or rebuild it "
        "(`openstack server rebuild`).",
    ),
    "xloud.guest_refused": Remedy(
        means="The guest did not do what was asked of it, or not in time.",
        do=f"{AGAIN}; `openstack server adjust show` says what the guest has.",
        see="admin/conditions.md#guestrefused",
    ),
    "xloud.failed": Remedy(
        means="A run ended by an error that is not the guest's, such as a call that libvirt "
        "refused; the message has the error.",
        do=f"Wait: {AGAIN}. `openstack server show` says whether the server runs; `openstack "
        "server event show`, with the id of the request, has the error.",
        operator=f"{_LOG} the rest.",
    ),
}

_GUEST_REFUSED: dict[str, Remedy] = {
    "xloud.guest_refused.memory_floor": Remedy(
        means="The guest uses too much memory to give back as much as was asked for.",
        do=f"{AGAIN}. Ask for more memory, stop programs in the guest, or {_FORCE}. {_NEXT_START}",
    ),
    "xloud.guest_refused.no_statistics": Remedy(
        means="The guest's balloon driver does not report what the guest uses. The run has waited "
        "for the first report after the run began: three periods of `[libvirt] "
        "mem_stats_period_seconds` and 10 s, at most `[xloud] step_timeout`.",
        do=f"{_DRIVER}, or {_FORCE}. With `--force` the size is also reached with a driver that "
        "works and never reports.",
    ),
    "xloud.guest_refused.memory_not_reached": Remedy(
        means="The balloon did not get to the size that was set.",
        do=f"{AGAIN}. Check the balloon driver in the guest, and whether the guest is busy or "
        "swapping.",
    ),
    "xloud.guest_refused.vcpus_not_added": Remedy(
        means="QEMU still had fewer vCPUs when `[xloud] step_timeout` was over, though libvirt had "
        "accepted the new ones.",
        do=f"{AGAIN}. Check that the guest supports CPU hot-plug.",
        operator=_BOTH_LOGS,
    ),
    "xloud.guest_refused.vcpus_not_removed": Remedy(
        means="The guest keeps vCPUs that were to be unplugged: the guest refused, or `[xloud] "
        "step_timeout` is over. libvirt's own time-out of 5 s is no refusal; a vCPU that goes "
        "later counts.",
        do="Check that the guest allows its CPUs to be removed: a guest has to let a CPU go "
        f"offline, and its kernel log says why it did not. {REBOOT} The server starts with fewer "
        "vCPUs.",
    ),
    "xloud.guest_refused.vcpus_not_online": Remedy(
        means="The guest's agent does not bring all vCPUs online.",
        do=f"{AGAIN}. Bring the CPUs online in the guest: {_ONLINE}.",
    ),
    "xloud.guest_refused.removal_unsettled": Remedy(
        means="More vCPUs are wanted, and vCPUs that an earlier run was to remove are still there: "
        "to add one now could crash the guest.",
        do=REBOOT,
        see="admin/conditions.md#removalunsettled",
    ),
    "xloud.guest_refused.memory_pinned": Remedy(
        means="All of the guest's memory stays in the host's RAM: a device is passed through, or "
        "memory is locked.",
        do=_UNPIN,
        see="admin/limits.md",
    ),
    "xloud.guest_refused.definition_not_set": Remedy(
        means="The size that the guest starts with next was not changed by libvirt, which may "
        "have refused that. That size and the desired one stay claimed.",
        do=REBOOT,
        operator=f"{_LOG} libvirt's words.",
    ),
    "xloud.guest_refused.not_in_time": Remedy(
        means="The call `hotplug_vcpus` waited `[xloud] hotplug_timeout` (90 s), and the guest had "
        "not plugged the vCPUs. The size stays desired.",
        do=f"{AGAIN}. `openstack server adjust show` has the reason, if the guest refuses.",
    ),
}

_BALLOON_NOT_EFFECTIVE: dict[str, Remedy] = {
    "xloud.balloon.no_driver": Remedy(
        means="The guest's balloon driver reports nothing. While the guest is in its firmware or a "
        "rescue system, the condition passes by itself.",
        do=f"{_DRIVER}.",
        operator="Check `[libvirt] mem_stats_period_seconds` on the server's compute host.",
    ),
    "xloud.balloon.memory_pinned": Remedy(
        means="The guest's memory is pinned, so the balloon frees nothing, and the maximum is "
        "claimed.",
        do=_UNPIN,
        see="admin/limits.md",
    ),
    "xloud.balloon.not_confirmed": Remedy(
        means="QEMU says that the balloon is where it should be, and its driver has never reported "
        "since the guest started (FreeBSD, Windows without its service). A guest that restarts "
        "itself takes all of its memory, and QEMU still says the old size: so the maximum is "
        "claimed, and `observed` is null.",
        do="Load a balloon driver that reports statistics in the guest (in Windows: the balloon "
        "service). Until a driver reports, nova-xloud counts the server's maximum of memory.",
        operator="Give guests without such a driver a flavor without `minimum_memory`.",
    ),
    "xloud.balloon.holds_more": Remedy(
        means="There is a balloon driver, and the guest has more memory than was set all the same; "
        "the message has both numbers. If the condition `GuestRefused` is beside this one, it says "
        "why.",
        do="If the guest was started before nova-xloud was installed, its balloon gives memory "
        "back when the guest runs short (`autodeflate`): stop and start the server. Otherwise "
        f"{AGAIN}.",
    ),
}

_GUEST_SILENT: dict[str, Remedy] = {
    "xloud.guest_silent.low_memory": Remedy(
        means="The guest's balloon driver has reported once, has memory in the balloon, and "
        "reports nothing more, though the guest runs and `[xloud] boot_grace` is over. A driver "
        "that is unloaded gives its memory back first; so the guest does nothing any more. Often "
        "its kernel has died of too little memory at boot.",
        do=_CONSOLE,
        operator="Raise the flavor's `minimum_memory`.",
        see="user/extra-specs.md#how-small",
    ),
    "xloud.guest_silent.crashed": Remedy(
        means="The guest has crashed, as libvirt reports, and its QEMU is kept.",
        do=_CONSOLE,
        operator="Raise the flavor's `minimum_memory` if the guest died of too little memory.",
        see="user/extra-specs.md#how-small",
    ),
    "xloud.guest_silent": Remedy(
        means="The guest has probably died, for another reason.",
        do=_CONSOLE,
    ),
}

_CPUS_NOT_ONLINE: dict[str, Remedy] = {
    "xloud.cpus_not_online": Remedy(
        means="The guest has its vCPUs, and its agent counts fewer that are online. What is "
        "plugged is claimed. The agent belongs to the tenant, and its count may be wrong.",
        do=f"Bring the vCPUs online in the guest: {_ONLINE}.",
    ),
}

_BOOTING: dict[str, Remedy] = {
    "xloud.booting": Remedy(
        means="The guest has started, or has restarted itself, less than `[xloud] boot_grace` "
        "(120 s) ago, and its balloon has not yet taken the memory down to what is desired, or the "
        "balloon driver has not reported that yet.",
        do="Wait: the condition passes by itself, or becomes `BalloonNotEffective`.",
    ),
}

_GAVE_UP: dict[str, Remedy] = {
    "xloud.gave_up.memory_floor": Remedy(
        means="The guest uses too much memory to give back as much as was asked for.",
        do="The server keeps the memory that it has, after its next start too. Ask again with more "
        "memory, or when the guest uses less.",
    ),
    "xloud.gave_up.no_statistics": Remedy(
        means="The guest's balloon driver does not report what the guest uses.",
        do=f"{_KEPT} {_DRIVER}, {_OR}",
    ),
    "xloud.gave_up.memory_not_reached": Remedy(
        means="The guest's balloon did not get to the memory that was asked for, up or down.",
        do=f"{_KEPT} Check the balloon driver in the guest, and whether the guest is busy or "
        f"swapping, {_OR}",
    ),
    "xloud.gave_up.memory_pinned": Remedy(
        means="The guest's memory is pinned, for example by a device that is passed through.",
        do=f"{_KEPT} If a device pins the memory, detach the device and ask again. Or ask for "
        "another size.",
    ),
    "xloud.gave_up.definition_not_set": Remedy(
        means="The size that the guest starts with next was not changed by libvirt.",
        do=f"{_KEPT} {REBOOT} Or ask for another size.",
        operator=f"{_LOG} libvirt's words.",
    ),
    "xloud.gave_up.vcpus_not_added": Remedy(
        means="QEMU still had fewer vCPUs at the end of the last try, though libvirt had accepted "
        "the new ones.",
        do=f"{_KEPT} Check that the guest supports CPU hot-plug, {_OR}",
        operator=_BOTH_LOGS,
    ),
    "xloud.gave_up.vcpus_not_removed": Remedy(
        means="The guest kept vCPUs that were to be unplugged.",
        do=f"{_KEPT} {WHILE_STOPPED} Or ask for another size.",
    ),
    "xloud.gave_up.removal_unsettled": Remedy(
        means="More vCPUs were wanted, and vCPUs that an earlier run was to remove were still "
        "there: to add one could have crashed the guest.",
        do=f"{_KEPT} {REBOOT} Or ask for another size.",
    ),
    "xloud.gave_up.failed": Remedy(
        means="A call was refused by libvirt or QEMU.",
        do=f"{_KEPT} `openstack server event show`, with the id of the request, has the error. Ask "
        "again when the reason is gone, or ask for another size.",
        operator=f"{_LOG} the rest.",
    ),
    "xloud.gave_up": Remedy(
        means="The size was given up for another reason: the code ends like the "
        "`xloud.guest_refused` code of the last try.",
        do=f"{_KEPT} Ask again when the reason is gone, or ask for another size.",
    ),
}

_BY_ITSELF = (
    "Wait: automatic growth tries again by itself when something changes. Or adjust the server "
    "(`openstack server adjust`), which names what stands against it."
)
_ROOM = (
    "Make room on the server's compute host: live migrate a server away (`openstack server migrate "
    "--live-migration`), or adjust one to less."
)

_GROWTH_DEFERRED: dict[str, Remedy] = {
    "xloud.growth_deferred.host_full": Remedy(
        means="The guest needs more, and not enough is free on the server's compute host.",
        do=_BY_ITSELF,
        operator=_ROOM,
        see="admin/autoscale.md#a-full-host",
    ),
    "xloud.growth_deferred.freeing": Remedy(
        means="The guest needs more, and not enough is free on the server's compute host yet: "
        "other guests there are giving back what this one will get.",
        do="Wait some seconds.",
        see="admin/autoscale.md#a-full-host",
    ),
    "xloud.growth_deferred.kept": Remedy(
        means="The guest needs more, and what is free on the host is kept for a guest that comes "
        "first: one in distress, or with a larger weight.",
        do=_BY_ITSELF,
        operator=_ROOM,
        see="admin/autoscale.md#a-full-host",
    ),
    "xloud.growth_deferred.pace": Remedy(
        means="Many guests of the host need more at the same moment. One round of automatic growth "
        "gives all of them together at most a quarter of the host's vCPUs and of its memory, or "
        "4 vCPUs and 4 GiB where that is more.",
        do="Wait some seconds: the next rounds give more.",
    ),
    "xloud.growth_deferred.stuck": Remedy(
        means="The guest needs more, and has not taken yet what it was given last.",
        do="`openstack server adjust show` has the condition of the guest that says why, "
        "once the run is over (`[xloud] step_timeout`).",
    ),
    "xloud.growth_deferred.quota": Remedy(
        means="The guest needs more, and the quota of the server's project or user has no cores or "
        "memory left. What a server holds counts, whoever has asked for it.",
        do="Adjust another server of the project to less, delete one, or ask for more quota.",
        operator="Raise the quota of the project (`openstack quota set`).",
    ),
    "xloud.growth_deferred.quota_unknown": Remedy(
        means="The guest needs more, and nova-conductor could not check the quota for the compute "
        "host.",
        do="Wait: automatic growth tries again by itself, after 5 minutes at most.",
        operator="The message says why. Start nova-conductor with `nova-xloud-run`, and give the "
        "nova-conductor of each cell what a quota needs: `[api_database]`, or with unified limits "
        "`[keystone_authtoken]` and `[oslo_limit]`.",
        see="admin/autoscale.md#quota",
    ),
    "xloud.growth_deferred.placement": Remedy(
        means="The guest needs more, and Placement does not answer the server's compute host, or "
        "the quota's limits or usage could not be read; the message says which.",
        do="Wait: automatic growth tries again by itself, after 5 minutes at most.",
        operator="See whether Placement, and with unified limits Keystone, runs and answers.",
    ),
    "xloud.growth_deferred.busy": Remedy(
        means="The guest needs more, and another operation on the server is going on, the "
        "server is not active, or the server's compute host cannot make the change now (the "
        "guest's QEMU does not answer, for example); the message says which.",
        do="Wait until the other operation is over, or unpause the server (`openstack server "
        "unpause`).",
        operator="If the guest's QEMU does not answer, look at the storage of the compute host, "
        "and at the process.",
    ),
    "xloud.growth_deferred.locked": Remedy(
        means="The guest needs more, and the server is locked.",
        do="Unlock the server (`openstack server unlock`).",
    ),
    "xloud.growth_deferred.refused": Remedy(
        means="The guest needs more, and the server's compute host has refused it; the message "
        "has the code and the reason.",
        do="Look that code up in the table of error codes, and do what the table says.",
        see="admin/errors.md",
    ),
}

_RESERVED_TOO_LITTLE: dict[str, Remedy] = {
    "xloud.reserved_too_little": Remedy(
        means="The guest holds more than Placement has allocated to the server, and the server's "
        "compute host has no room to claim that. nova-compute logs an ERROR at each pass, and "
        "tries again.",
        do="Make room on the server's compute host: adjust another server to less, or live migrate "
        "one away (`openstack server migrate --live-migration`); the next pass claims what is "
        "missing. Or move this server to a host with room, or stop it.",
        operator="If the server's image has no balloon driver, its flavor should have no "
        "`minimum_memory`.",
        see="admin/conditions.md#reservedtoolittle",
    ),
}

_UNSETTLED = "xloud.blocked.removal_unsettled"

# By the type of the condition, as in nova_xloud.core.instance.conditions.
CONDITIONS: dict[str, dict[str, Remedy]] = {
    "Converged": _CONVERGED,
    "GuestRefused": _GUEST_REFUSED,
    "BalloonNotEffective": _BALLOON_NOT_EFFECTIVE,
    "GuestSilent": _GUEST_SILENT,
    "RemovalUnsettled": {_UNSETTLED: BLOCKED[_UNSETTLED]},
    "CpusNotOnline": _CPUS_NOT_ONLINE,
    "Booting": _BOOTING,
    "GaveUp": _GAVE_UP,
    "GrowthDeferred": _GROWTH_DEFERRED,
    "ReservedTooLittle": _RESERVED_TOO_LITTLE,
}
