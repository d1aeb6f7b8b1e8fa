# SPDX-License-Identifier: Apache-2.0
"""Refusals of the API: what each code means, and what to do.

The HTTP status of each code is in :mod:`nova_xloud.errors`.
"""

from __future__ import annotations

from nova_xloud.core.remedies.remedy import AGAIN, Remedy

REFUSALS: dict[str, Remedy] = {
    "xloud.invalid": Remedy(
        means="The body or the query string of the request does not fit the schema of the API.",
        do="Correct the field that the message names; `openstack help server adjust` lists what "
        "can be asked for.",
        see="reference/api.md",
    ),
    "xloud.out_of_bounds": Remedy(
        means="The size is below the server's minimum, above its flavor's size, or no multiple of "
        "the threads per core; the message has the bounds.",
        do="`openstack server adjust show` lists the server's minimum and maximum. To go above the "
        "maximum, resize the server to a larger flavor (`openstack server resize`).",
    ),
    "xloud.forbidden": Remedy(
        means="The policy does not allow the caller to make this request. By default only admins "
        "may adjust (`os_compute_api:xloud:adjust`); a request that names a mode of automatic "
        "growth needs `os_compute_api:xloud:autoscale` too.",
        do="Ask an administrator to adjust the server, or to give you the right that the policy in "
        "the message asks for.",
        see="configuration/policy.md",
    ),
    "xloud.quota": Remedy(
        means="The adjustment would add more than the quota of the server's project, or of the "
        "server's user, has left; the message has the numbers.",
        do="Ask for less, make another server of the project smaller, or have the quota raised.",
    ),
    "xloud.not_found": Remedy(
        means="The server was deleted or has left its compute host, just now.",
        do="Ask again: if the server was not deleted but has moved, the next request goes to its "
        "new compute host.",
    ),
    "xloud.invalid_state": Remedy(
        means="The compute host found, just now, that the server's `vm_state` is not active, "
        "paused or stopped, or that a task is running or has changed the server. Or another "
        "operation has had the server's lock for 2 s, such as attaching or detaching a volume, "
        "which has no `task_state`. Or the size is not to persist (`persist` is false), and the "
        "server does not run. The message says which.",
        do="Wait until the server's current operation is over (`openstack server show`), and ask "
        "again. Ask with `--no-persist` only while the server runs.",
    ),
    "xloud.no_capacity": Remedy(
        means="The server's compute host has no room, or the host's inventory in Placement does "
        "not allow that amount for one server (`max_unit`, `step_size`); the message says for each "
        "resource class what was asked and what is free.",
        do="Ask for less, or move this or another server to another compute host "
        "(`openstack server migrate --live-migration`).",
        see="admin/capacity.md#when-a-host-is-full",
    ),
    "xloud.no_allocation": Remedy(
        means="Placement has no allocation of the server on the server's compute host.",
        do="If the server is not being moved, an administrator can create the missing allocation "
        "with `nova-xloud-run nova-manage placement heal_allocations --instance UUID`.",
    ),
    "xloud.claim_refused": Remedy(
        means="Placement refuses to release what the server no longer needs, or refuses the "
        "allocation for another reason than lack of room; the message has the reason.",
        do="An administrator can make room on the server's compute host, or check that host's "
        "inventory in Placement (`openstack resource provider inventory list UUID`). If the "
        f"adjustment was refused, ask again afterwards. If the adjustment was admitted, {AGAIN}, "
        "and what Placement has allocated stays.",
        see="admin/capacity.md#when-placement-refuses-a-release",
    ),
    "xloud.blocked": Remedy(
        means="This resource of this server cannot be adjusted, or not to the size that was asked "
        "for.",
        do="`openstack server adjust show` lists everything that blocks adjustments of the server.",
        see="admin/errors.md#blocked",
    ),
    "xloud.host_unavailable": Remedy(
        means="The server's compute host is down, is too busy, failed, or did not answer in time; "
        "the server's QEMU does not answer; a call of libvirt failed; or Nova's database of the "
        "server's cell does not answer. The message says which. A request that was not admitted "
        "before this answer is not admitted later; but if the message broker has failed, it may be "
        "for as long as nova-api's `rpc_response_timeout`.",
        do="`openstack server adjust show` shows whether the adjustment was admitted. If it was "
        "not, ask again when the server's compute host is up (`openstack compute service list`).",
        operator="Check nova-compute and libvirt on that compute host, the message broker, the "
        "server's QEMU, and the database of the cell.",
    ),
    "xloud.host_unsupported": Remedy(
        means="The server's nova-compute runs without nova-xloud, or with a version that is too "
        "old, or the request needs a later RPC version than `[upgrade_levels] xloud` allows.",
        do="An administrator can start nova-compute on the server's host with `nova-xloud-run` and "
        "an up-to-date nova-xloud, or move the server to a host where nova-compute runs that way. "
        "If the message names `[upgrade_levels] xloud`, raise or remove that option for nova-api.",
    ),
    "xloud.placement_unavailable": Remedy(
        means="Placement does not answer, or answers with an error; or others changed the same "
        "allocation, or the resource provider of the server's compute host, at each attempt; or "
        "the limits or the usage of the quota could not be read. The message says which.",
        do="Ask again in a moment.",
        operator="Check Placement, and Keystone if the message is about the quota.",
    ),
}

# Nova's own refusals, which have no code, by their HTTP status.
NOVAS: dict[int, Remedy] = {
    404: Remedy(
        means="There is no such server, or the caller may not see it.",
        do="Check the name or ID of the server. If the server is in another project, "
        "administrators can name it by its ID, or by its name with `--all-projects`.",
    ),
    409: Remedy(
        means="The server is locked, its `vm_state` is not active, paused or stopped, or a task is "
        "running.",
        do="Unlock the server (`openstack server unlock`), wait until its operation is over, or "
        "bring the server back to one of these states (for example with `openstack server resume`, "
        "`unshelve` or `unrescue`); then ask again.",
    ),
}
