# SPDX-License-Identifier: Apache-2.0
"""The table of all seams: the points where stock Nova is extended or called, as data.

The points that are extended are in this module, and those that are called or overridden are in
:mod:`.calls`. A row that does not hold for every supported release has ``since`` or ``until``.
"""

from __future__ import annotations

from nova_xloud.seams.calls import CALLED
from nova_xloud.seams.seam import Kind, Seam

_HERE = "nova_xloud.seams"

EXTENDED = (
    # What an operator may write into a flavor
    Seam(
        "nova.api.openstack.compute.flavors_extraspecs:"
        "FlavorExtraSpecsController._check_extra_specs_value",
        Kind.WRAP,
        "self, req, specs",
        "refuse minimums that do not fit the flavor they are set on",
        extension=f"{_HERE}.flavors:check_extra_specs",
    ),
    # Boot
    Seam(
        "nova.compute.api:API._validate_and_build_base_options",
        Kind.WRAP,
        "self, context, flavor, boot_meta, image_href, image_id, kernel_id, ramdisk_id, "
        "display_name, display_description, hostname, key_name, key_data, security_groups, "
        "availability_zone, user_data, metadata, access_ip_v4, access_ip_v6, requested_networks",
        "refuse a flavor with impossible minimums, or with a boot size below what a port pins; "
        "record the boot size",
        extension=f"{_HERE}.create:build_base_options",
    ),
    Seam(
        "nova.compute.api:API._validate_flavor_image_nostatus",
        Kind.WRAP,
        "context, image, flavor",
        "the image's min_ram applies to the boot size; the image of a rebuild is checked",
        extension=f"{_HERE}.images:validate_flavor_image",
    ),
    # Images that tenants choose, or change, for an existing server
    Seam(
        "nova.compute.api:API.rebuild",
        Kind.WRAP,
        "self, context, instance, image_href, admin_password",
        "a rebuild is refused if the guest would need more with its image than is claimed",
        extension=f"{_HERE}.images:rebuild",
    ),
    Seam(
        "nova.compute.api:API.rescue",
        Kind.WRAP,
        "self, context, instance, rescue_password, rescue_image_ref",
        "a rescue is refused if the guest would need more with its image than is claimed",
        extension=f"{_HERE}.images:rescue",
    ),
    Seam(
        "nova.compute.api:API.unshelve",
        Kind.WRAP,
        "self, context, instance",
        "an unshelve is refused if the guest would need more with its image than is claimed",
        extension=f"{_HERE}.images:unshelve",
    ),
    Seam(
        "nova.compute.utils:initialize_instance_snapshot_metadata",
        Kind.WRAP,
        "context, instance, name, extra_properties",
        "no image that is made of an instance has its record",
        extension=f"{_HERE}.snapshots:metadata_of_snapshot",
    ),
    Seam(
        "nova.compute.api:API.attach_interface",
        Kind.WRAP,
        "self, context, instance, network_id, port_id, requested_ip, tag",
        "no device is passed through to a server that holds less than its maximum of memory",
        extension=f"{_HERE}.attach:attach_interface",
    ),
    Seam(
        "nova.objects.request_spec:RequestSpec",
        Kind.REGISTER,
        "class",
        "vcpus and memory_mb, from which the claim is made, are what the instance will hold",
        extension=f"{_HERE}.request_spec:subclass",
    ),
    Seam(
        "nova.scheduler.utils:ResourceRequest.from_request_spec",
        Kind.WRAP,
        "request_spec, enable_pinning_translate",
        "PCPU and VCPU are what the instance will hold; a host must be able to keep that size",
        extension=f"{_HERE}.request_spec:resource_request",
    ),
    Seam(
        "nova.scheduler.manager:SchedulerManager._get_all_host_states",
        Kind.WRAP,
        "self, context, spec_obj, provider_summaries",
        "a host that can never hold the flavor's maximum is no candidate",
        extension=f"{_HERE}.candidates:host_states",
    ),
    Seam(
        "nova.scheduler.manager:SchedulerManager.select_destinations",
        Kind.WRAP,
        "*args, **kwargs",
        "if all candidates were too small, Placement is asked again without a limit",
        extension=f"{_HERE}.candidates:select_destinations",
    ),
    # Moves
    Seam(
        "nova.conductor.tasks.migrate:MigrationTask._schedule",
        Kind.WRAP,
        "self",
        "a cold migration claims the persisted size, a resize the new flavor's boot size",
        extension=f"{_HERE}.moves:schedule_migration",
    ),
    Seam(
        "nova.conductor.tasks.live_migrate:"
        "LiveMigrationTask._get_request_spec_for_select_destinations",
        Kind.WRAP,
        "self",
        "a live migration claims what is reserved on the source",
        extension=f"{_HERE}.moves:live_migration_request",
    ),
    Seam(
        "nova.conductor.manager:ComputeTaskManager._restrict_request_spec_to_cell",
        Kind.WRAP,
        "context, instance, request_spec",
        "an evacuation and an unshelve claim the persisted size",
        extension=f"{_HERE}.moves:restrict_to_cell",
    ),
    Seam(
        "nova.scheduler.utils:resources_from_flavor",
        Kind.WRAP,
        "instance, flavor",
        "heal_allocations allocates what the instance holds",
        extension=f"{_HERE}.moves:resources_to_heal",
    ),
    Seam(
        "nova.scheduler.utils:claim_resources_on_destination",
        Kind.WRAP,
        "context, reportclient, instance, source_node, dest_node, source_allocations, "
        "consumer_generation",
        "a forced move goes only to a host that can keep what the instance holds",
        extension=f"{_HERE}.forced:claim_on_destination",
    ),
    Seam(
        "nova.db.main.api:_instance_update",
        Kind.WRAP,
        "context, instance_uuid, values, expected, original",
        "an operation that began before an adjustment does not write over its record",
        extension=f"{_HERE}.database:update_instance",
    ),
    # Quotas
    Seam(
        "nova.compute.utils:check_num_instances_quota",
        Kind.WRAP,
        "context, flavor, min_count, max_count, project_id, user_id, orig_num_req",
        "create and restore count by what the instance will hold",
        extension=f"{_HERE}.quotas:check_num_instances",
    ),
    Seam(
        "nova.limit.placement:enforce_num_instances_and_resources",
        Kind.WRAP,
        "context, project_id, request_spec, min_count, max_count, enforcer, delta_updates",
        "create, restore and resize count by what the instance will hold, with unified limits",
        extension=f"{_HERE}.quotas:enforce",
        since=34,
    ),
    Seam(
        "nova.limit.placement:enforce_num_instances_and_flavor",
        Kind.WRAP,
        "context, project_id, flavor, is_bfvm, min_count, max_count, enforcer, delta_updates",
        "the same before Nova 34, which passes a flavor and no RequestSpec",
        extension=f"{_HERE}.quotas:enforce_flavor",
        until=34,
    ),
    Seam(
        "nova.compute.api:API._check_quota_for_upsize",
        Kind.WRAP,
        "context, instance, current_flavor, new_flavor, is_bfv, is_revert",
        "a resize and its revert count from what the instance holds to what it will hold",
        extension=f"{_HERE}.quotas:check_upsize",
    ),
    Seam(
        "nova.compute.utils:upsize_quota_delta",
        Kind.WRAP,
        "new_flavor, old_flavor",
        "the difference of a resize is that of what the two flavors count for",
        extension=f"{_HERE}.quotas:upsize_delta",
    ),
    Seam(
        "nova.compute.api:API._check_quota_unshelve_offloaded",
        Kind.WRAP,
        "context, instance, request_spec",
        "unshelve counts the persisted size",
        extension=f"{_HERE}.quotas:check_unshelve",
    ),
    Seam(
        "nova.compute.api:API.restore",
        Kind.WRAP,
        "self, context, instance",
        "a soft-deleted instance counts again as what it held",
        extension=f"{_HERE}.quotas:restore",
    ),
    # Guest XML
    Seam(
        "nova.virt.libvirt.driver:LibvirtDriver._get_guest_config",
        Kind.WRAP,
        "self, instance, network_info, image_meta",
        "the guest is defined with its desired size",
        extension=f"{_HERE}.libvirt_driver:guest_config",
    ),
    Seam(
        "nova.virt.libvirt.driver:LibvirtDriver.unrescue",
        Kind.WRAP,
        "self, context, instance",
        "the XML that was kept during the rescue gets the desired size of the guest",
        extension=f"{_HERE}.libvirt_driver:unrescue",
    ),
    Seam(
        "nova.virt.libvirt.driver:LibvirtDriver.init_host",
        Kind.WRAP,
        "self, host",
        "guests that ran before nova-compute started get no boot grace",
        extension=f"{_HERE}.libvirt_driver:init_host",
    ),
    Seam(
        "nova.virt.libvirt.host:Host._connection_closed",
        Kind.WRAP,
        "self, conn",
        "a connection that is found closed while it is tested is replaced, and nothing hangs",
        extension=f"{_HERE}.libvirt_host:connection_closed",
        since=34,
    ),
    Seam(
        "nova.scheduler.client.report:SchedulerReportClient._create_client",
        Kind.WRAP,
        "self",
        "after the clock was set back, no request to Placement waits for the time before",
        extension=f"{_HERE}.placement_client:create_client",
    ),
    Seam(
        "nova.virt.libvirt.driver:LibvirtDriver.update_provider_tree",
        Kind.WRAP,
        "self, provider_tree, nodename",
        "traits show whether this host can keep a guest below its maximum",
        extension=f"{_HERE}.libvirt_driver:update_provider_tree",
    ),
    Seam(
        "nova.virt.libvirt.config:LibvirtConfigGuest._format_basic_props",
        Kind.WRAP,
        "self, root",
        "current, currentMemory and per-CPU hotpluggable are written",
        extension=f"{_HERE}.libvirt_config:format_basic_props",
    ),
    Seam(
        "nova.virt.libvirt.config:LibvirtConfigGuest._parse_basic_props",
        Kind.WRAP,
        "self, xmldoc",
        "current, currentMemory and per-CPU hotpluggable are read",
        extension=f"{_HERE}.libvirt_config:parse_basic_props",
    ),
    # API
    Seam(
        "nova.api.openstack.compute.routes:ROUTE_LIST",
        Kind.APPEND,
        "tuple",
        "our resources are added",
        extension=f"{_HERE}.routes:routes",
    ),
    Seam(
        "nova.policies:list_rules",
        Kind.WRAP,
        "",
        "our policies are added wherever Nova registers its own",
        extension=f"{_HERE}.policies:list_rules",
    ),
    # Usage reports
    Seam(
        "nova.api.openstack.compute.simple_tenant_usage:"
        "SimpleTenantUsageController._get_instances_all_cells",
        Kind.WRAP,
        "self, context, period_start, period_stop",
        "usage has the flavor's size or, if [xloud] usage_reports is held, what is held",
        extension=f"{_HERE}.usage:instances_of_tenants",
    ),
    Seam(
        "nova.notifications.base:info_from_instance",
        Kind.WRAP,
        "context, instance",
        "unversioned notifications have the same size as usage reports",
        extension=f"{_HERE}.usage:info_from_instance",
    ),
    Seam(
        # A second name of info_from_instance, bound when nova.notifications was imported.
        "nova.notifications:info_from_instance",
        Kind.WRAP,
        "context, instance",
        "unversioned notifications have the same size as usage reports",
        extension=f"{_HERE}.usage:info_from_instance",
    ),
    # Notifications
    Seam(
        "nova.rpc:LegacyValidatingNotifier.allowed_legacy_notification_event_types",
        Kind.APPEND,
        "list",
        "our unversioned notifications may be sent",
        extension=f"{_HERE}.notifications:event_types",
    ),
    # The compute host
    Seam(
        "nova.compute.resource_tracker:ResourceTracker",
        Kind.SUBCLASS,
        "class",
        "an instance counts on its host as what it holds; a host that cannot keep it refuses it",
        extension=f"{_HERE}.resource_tracker:XloudResourceTracker",
    ),
    Seam(
        "nova.service:SERVICE_MANAGERS",
        Kind.ITEM,
        "dict",
        "nova-compute answers the RPC namespace xloud too",
        key="nova-compute",
        extension=f"{_HERE}.compute_manager:MANAGER",
    ),
    # The upgrade check
    Seam(
        "nova.conductor.manager:ConductorManager.pre_start_hook",
        Kind.WRAP,
        "self, service_ref",
        "nova-conductor reports that it runs with nova-xloud",
        extension=f"{_HERE}.about:conductor_starts",
    ),
    Seam(
        "nova.scheduler.manager:SchedulerManager.pre_start_hook",
        Kind.WRAP,
        "self, service_ref",
        "nova-scheduler reports that it runs with nova-xloud, and its filters",
        extension=f"{_HERE}.about:scheduler_starts",
    ),
)

SEAMS = EXTENDED + CALLED


def seams_of(release: int, seams: tuple[Seam, ...] = SEAMS) -> tuple[Seam, ...]:
    """Return the rows that hold for a Nova release, given as 34 for Nova 34.0."""
    return tuple(seam for seam in seams if seam.is_in(release))
