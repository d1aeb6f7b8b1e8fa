# SPDX-License-Identifier: Apache-2.0
"""Every point where stock Nova is extended or called: the whole surface, as data.

Where a method of Nova is called through an object at hand (``self.rt``, ``instance.save``), its
row is here too, so that a Nova that has changed it is refused at start and not at use.
"""

from __future__ import annotations

from nova_xloud.seams.seam import Kind, Seam

RELEASES = ("34.0",)

_HERE = "nova_xloud.seams"

EXTENDED = (
    # What an operator may write into a flavor
    Seam(
        "nova.api.openstack.compute.flavors_extraspecs:"
        "FlavorExtraSpecsController._check_extra_specs_value",
        Kind.WRAP,
        "self, req, specs",
        "refuse minimums that do not fit the flavor they are set on",
        ours=f"{_HERE}.flavors:check_extra_specs",
    ),
    # Boot
    Seam(
        "nova.compute.api:API._validate_and_build_base_options",
        Kind.WRAP,
        "self, context, flavor, boot_meta",
        "refuse a flavor with impossible minimums; record what the instance boots with",
        ours=f"{_HERE}.create:build_base_options",
    ),
    Seam(
        "nova.objects.request_spec:RequestSpec",
        Kind.REGISTER,
        "class",
        "vcpus and memory_mb, which the claim is made of, are the boot size",
        ours=f"{_HERE}.request_spec:register",
    ),
    Seam(
        "nova.scheduler.utils:ResourceRequest._translate_pinning_policies",
        Kind.WRAP,
        "self, flavor, image",
        "PCPU and VCPU of dedicated and mixed instances are for the boot size",
        ours=f"{_HERE}.request_spec:translate_pinning",
    ),
    # Quotas
    Seam(
        "nova.compute.utils:check_num_instances_quota",
        Kind.WRAP,
        "context, flavor, min_count, max_count, project_id, user_id, orig_num_req",
        "create and restore count by what the instance will hold",
        ours=f"{_HERE}.quotas:check_num_instances",
    ),
    Seam(
        "nova.limit.placement:enforce_num_instances_and_resources",
        Kind.WRAP,
        "context, project_id, request_spec, min_count, max_count, enforcer, delta_updates",
        "the same by unified limits, and resize",
        ours=f"{_HERE}.quotas:enforce",
    ),
    Seam(
        "nova.compute.api:API._check_quota_for_upsize",
        Kind.WRAP,
        "context, instance, current_flavor, new_flavor, is_bfv, is_revert",
        "resize counts from what it holds to what it will hold; so does its revert",
        ours=f"{_HERE}.quotas:check_upsize",
    ),
    Seam(
        "nova.compute.utils:upsize_quota_delta",
        Kind.WRAP,
        "new_flavor, old_flavor",
        "the difference of these two",
        ours=f"{_HERE}.quotas:upsize_delta",
    ),
    Seam(
        "nova.compute.api:API._check_quota_unshelve_offloaded",
        Kind.WRAP,
        "context, instance, request_spec",
        "unshelve counts the persisted size",
        ours=f"{_HERE}.quotas:check_unshelve",
    ),
    Seam(
        "nova.compute.api:API.restore",
        Kind.WRAP,
        "self, context, instance",
        "a soft-deleted instance counts again as what it held",
        ours=f"{_HERE}.quotas:restore",
    ),
    # Guest XML
    Seam(
        "nova.virt.libvirt:LibvirtDriver",
        Kind.SUBCLASS,
        "class",
        "the guest is defined with the size that is desired of it",
        ours=f"{_HERE}.libvirt_driver:XloudLibvirtDriver",
    ),
    Seam(
        "nova.virt.libvirt.config:LibvirtConfigGuest._format_basic_props",
        Kind.WRAP,
        "self, root",
        "current, currentMemory and per-CPU hotpluggable are written",
        ours=f"{_HERE}.libvirt_config:format_basic_props",
    ),
    Seam(
        "nova.virt.libvirt.config:LibvirtConfigGuest._parse_basic_props",
        Kind.WRAP,
        "self, xmldoc",
        "current, currentMemory and per-CPU hotpluggable are read",
        ours=f"{_HERE}.libvirt_config:parse_basic_props",
    ),
    # API
    Seam(
        "nova.api.openstack.compute.routes:ROUTE_LIST",
        Kind.APPEND,
        "tuple",
        "our two resources",
        ours=f"{_HERE}.routes:routes",
    ),
    Seam(
        "nova.policies:list_rules",
        Kind.WRAP,
        "",
        "our two policies, wherever Nova registers its own",
        ours=f"{_HERE}.policies:list_rules",
    ),
    # Notifications
    Seam(
        "nova.rpc:LegacyValidatingNotifier.allowed_legacy_notification_event_types",
        Kind.APPEND,
        "list",
        "our unversioned notifications may be sent",
        ours=f"{_HERE}.notifications:event_types",
    ),
    # The compute host
    Seam(
        "nova.service:SERVICE_MANAGERS",
        Kind.ITEM,
        "dict",
        "nova-compute answers the xloud namespace too",
        key="nova-compute",
        ours=f"{_HERE}.compute_manager:MANAGER",
    ),
)


def _calls(why: str, *targets: tuple[str, str]) -> tuple[Seam, ...]:
    return tuple(Seam(target, Kind.CALL, expect, why) for target, expect in targets)


CALLED = (
    *_calls(
        "the claim is read and written with nova-compute's own Placement client",
        (
            "nova.scheduler.client.report:SchedulerReportClient.get_allocs_for_consumer",
            "self, context, consumer",
        ),
        (
            "nova.scheduler.client.report:SchedulerReportClient._put_allocations",
            "self, context, consumer_uuid, payload",
        ),
        ("nova.scheduler.client.report:SchedulerReportClient.get", "self, url, version"),
    ),
    *_calls(
        "the record is read and written as Nova does",
        ("nova.objects.instance:Instance.refresh", "self"),
        ("nova.objects.instance:Instance.get_by_uuid", "context, uuid, expected_attrs"),
        ("nova.objects.instance:Instance.save", "self, expected_vm_state, expected_task_state"),
        (
            "nova.objects.instance_action:InstanceAction.action_start",
            "context, instance_uuid, action_name, want_result",
        ),
        (
            "nova.objects.instance_action:InstanceAction.get_by_request_id",
            "context, instance_uuid, request_id",
        ),
        (
            "nova.objects.instance_action:InstanceActionEvent.event_start",
            "context, instance_uuid, event_name, want_result, host",
        ),
        (
            "nova.objects.instance_action:InstanceActionEvent.event_finish_with_failure",
            "*args, **kwargs",
        ),
        (
            "nova.objects.instance_action:InstanceActionEventList.get_by_action",
            "context, action_id",
        ),
        (
            "nova.compute.utils:notify_about_instance_usage",
            "notifier, context, instance, event_suffix, network_info, extra_usage_info, fault, "
            "best_effort",
        ),
    ),
    *_calls(
        "a pass over the host reads all instances, allocations and domains at once",
        (
            "nova.objects.instance:InstanceList.get_by_host",
            "context, host, expected_attrs",
        ),
        (
            "nova.scheduler.client.report:"
            "SchedulerReportClient.get_allocations_for_resource_provider",
            "self, context, rp_uuid",
        ),
        ("nova.virt.libvirt.host:Host.get_connection", "self"),
        ("nova.manager:Manager.add_periodic_task", "self, task"),
        ("nova.compute.manager:ComputeManager.pre_start_hook", "self, service_ref"),
    ),
    *_calls(
        "the domain is found as the libvirt driver finds it",
        ("nova.virt.libvirt.host:Host.get_guest", "self, instance"),
        ("nova.virt.libvirt.guest:Guest", "class"),
    ),
    *_calls(
        "our subclasses override it, and call it",
        ("nova.virt.libvirt.driver:LibvirtDriver._get_guest_config", "self, instance"),
        ("nova.virt.libvirt.driver:LibvirtDriver.init_host", "self, host"),
        ("nova.virt.libvirt.driver:LibvirtDriver.spawn", "self, context, instance"),
        ("nova.virt.libvirt.config:LibvirtConfigMemoryBalloon", "class"),
        ("nova.virt.libvirt.config:LibvirtConfigMemoryBalloon.format_dom", "self"),
        ("nova.compute.manager:ComputeManager.start_instance", "*args, **kwargs"),
        ("nova.compute.manager:ComputeManager.stop_instance", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.reboot_instance", "*args, **kwargs"),
        ("nova.compute.manager:ComputeManager.unpause_instance", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.resume_instance", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.rebuild_instance", "*args, **kwargs"),
        ("nova.compute.manager:ComputeManager._set_instance_info", "instance, flavor"),
        ("nova.compute.manager:ComputeManager.cleanup_host", "self"),
        ("nova.scheduler.utils:ResourceRequest._add_resource", "self, rclass, amount, group"),
    ),
    *_calls(
        "an adjustment is checked against quotas as Nova's own requests are",
        (
            "nova.objects.quotas:Quotas.check_deltas",
            "context, deltas, *count_args, **count_kwargs",
        ),
        ("nova.limit.placement:_get_enforcer", "context, project_id"),
        ("nova.limit.utils:use_unified_limits", ""),
        ("nova.limit.utils:should_enforce", "exc"),
    ),
    *_calls(
        "the API checks as Nova's own does",
        ("nova.compute.api:_get_image_meta_obj", "image_meta_dict"),
        ("nova.compute.api:check_instance_state", "vm_state, task_state, must_have_launched"),
        ("nova.compute.api:check_instance_host", "check_is_up"),
        (
            "nova.api.openstack.common:get_instance",
            "compute_api, context, instance_id, expected_attrs",
        ),
        (
            "nova.api.openstack.common:raise_http_conflict_for_instance_invalid_state",
            "exc, action, server_id",
        ),
        ("nova.api.openstack.common:get_flavor", "context, flavor_id"),
        ("nova.rpc:get_client", "target, version_cap, serializer"),
        ("nova.rpc:ClientRouter", "class"),
    ),
    *_calls(
        "the invariant checker reads all cells with Nova's own objects",
        ("nova.objects.cell_mapping:CellMappingList.get_all", "context"),
        ("nova.context:target_cell", "context, cell_mapping"),
        ("nova.objects.service:ServiceList.get_by_binary", "context, binary, include_disabled"),
        ("nova.servicegroup:API", "class"),
        ("nova.objects.compute_node:ComputeNodeList.get_all", "context"),
        (
            "nova.objects.instance:InstanceList.get_by_filters",
            "context, filters, sort_key, sort_dir, limit, marker, expected_attrs",
        ),
        (
            "nova.objects.migration:MigrationList.get_in_progress_by_host_and_node",
            "context, host, node",
        ),
        ("nova.objects.migration:MigrationList.get_by_filters", "context, filters"),
        (
            "nova.objects.instance_action:InstanceActionList.get_by_instance_uuid",
            "context, instance_uuid, limit",
        ),
        (
            "nova.objects.instance_mapping:InstanceMappingList.get_by_instance_uuids",
            "context, uuids",
        ),
        ("nova.scheduler.client.report:report_client_singleton", ""),
        ("nova.config:parse_args", "argv"),
        ("nova.monkey_patch:patch", "backend"),
    ),
    *_calls(
        "flavors are read as Nova reads them",
        ("nova.virt.hardware:get_cpu_policy_constraint", "flavor, image_meta"),
        ("nova.virt.hardware:get_dedicated_cpu_constraint", "flavor"),
        ("nova.virt.hardware:get_realtime_cpu_constraint", "flavor, image_meta"),
    ),
)

SEAMS = EXTENDED + CALLED
