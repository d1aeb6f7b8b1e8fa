# SPDX-License-Identifier: Apache-2.0
"""The seams at which nova-xloud calls or overrides stock Nova, as rows for :mod:`.table`.

A method that is called through an object of Nova (``instance.save()``) has its row here too. So a
Nova release that lacks the method, or has changed its first parameters, is refused at start, and
does not fail later at a call.
"""

from __future__ import annotations

from nova_xloud.seams.seam import Kind, Seam


def _calls(
    why: str, *targets: tuple[str, str], since: int | None = None, until: int | None = None
) -> tuple[Seam, ...]:
    return tuple(
        Seam(target, Kind.CALL, expect, why, since=since, until=until) for target, expect in targets
    )


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
        ("nova.scheduler.client.report:SchedulerReportClient", "class"),
    ),
    *_calls(
        "the record of an instance is read and written as Nova does it",
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
        "the domain of an instance is found as the libvirt driver finds it",
        ("nova.virt.libvirt.host:Host.get_guest", "self, instance"),
        ("nova.virt.libvirt.guest:Guest", "class"),
    ),
    *_calls(
        "the architecture and machine type of guests decide whether vCPUs can be plugged",
        ("nova.virt.libvirt.host:Host.get_capabilities", "self"),
        ("nova.virt.libvirt.utils:get_default_machine_type", "arch"),
        ("nova.objects.fields:Architecture.from_host", ""),
    ),
    *_calls(
        "the XML of a rescued guest is found where the libvirt driver keeps it",
        ("nova.virt.libvirt.utils:get_instance_path", "instance"),
    ),
    *_calls(
        "a port is read as Nova reads it when it is attached",
        ("nova.network.neutron:API.show_port", "self, context, port_id"),
    ),
    *_calls(
        "our subclasses override this method or class, and call it",
        (
            "nova.compute.resource_tracker:ResourceTracker.instance_claim",
            "self, context, instance",
        ),
        (
            "nova.compute.resource_tracker:ResourceTracker._move_claim",
            "self, context, instance, new_flavor",
        ),
        (
            "nova.compute.resource_tracker:ResourceTracker._get_usage_dict",
            "self, object_or_dict, instance",
        ),
        (
            "nova.compute.resource_tracker:ResourceTracker._update_usage",
            "self, usage, nodename, sign",
        ),
        (
            "nova.compute.resource_tracker:ResourceTracker._update_usage_from_migration",
            "self, context, instance, migration, nodename",
        ),
        (
            "nova.compute.resource_tracker:ResourceTracker._update_usage_from_instances",
            "self, context, instances, nodename",
        ),
        ("nova.virt.libvirt.config:LibvirtConfigMemoryBalloon", "class"),
        ("nova.virt.libvirt.config:LibvirtConfigMemoryBalloon.format_dom", "self"),
        (
            "nova.compute.manager:ComputeManager._build_and_run_instance",
            "self, context, instance",
        ),
        ("nova.compute.manager:ComputeManager.stop_instance", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.unpause_instance", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.resume_instance", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.rebuild_instance", "*args, **kwargs"),
        ("nova.compute.manager:ComputeManager.rescue_instance", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.unrescue_instance", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.attach_interface", "*args, **kwargs"),
        ("nova.compute.manager:ComputeManager.attach_volume", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.finish_resize", "self, context"),
        ("nova.compute.manager:ComputeManager.finish_revert_resize", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.unshelve_instance", "self, context, instance"),
        (
            "nova.compute.manager:ComputeManager.post_live_migration_at_destination",
            "self, context, instance",
        ),
        ("nova.compute.manager:ComputeManager._set_instance_info", "instance, flavor"),
        (
            "nova.compute.manager:ComputeManager._get_rescue_image",
            "self, context, instance, rescue_image_ref",
        ),
        ("nova.compute.manager:ComputeManager.cleanup_host", "self"),
        ("nova.scheduler.utils:ResourceRequest._add_resource", "self, rclass, amount, group"),
        ("nova.scheduler.utils:ResourceRequest._add_trait", "self, trait_name, trait_type"),
        ("nova.scheduler.utils:ResourceRequest.strip_zeros", "self"),
        (
            "nova.scheduler.client.report:SchedulerReportClient.get_provider_traits",
            "self, context, rp_uuid",
        ),
        ("nova.compute.provider_tree:ProviderTree.add_traits", "self, name_or_uuid, *traits"),
        ("nova.compute.provider_tree:ProviderTree.remove_traits", "self, name_or_uuid, *traits"),
        ("nova.db.main.api:instance_system_metadata_get", "context, instance_uuid"),
    ),
    *_calls(
        "our subclass overrides this method, and calls it; before Nova 33",
        ("nova.compute.manager:ComputeManager.start_instance", "self, context, instance"),
        ("nova.compute.manager:ComputeManager.reboot_instance", "self, context, instance"),
        until=33,
    ),
    *_calls(
        "our subclass overrides this method, and calls it; since Nova 33 a decorator hides the "
        "arguments",
        ("nova.compute.manager:ComputeManager.start_instance", "*args, **kwargs"),
        ("nova.compute.manager:ComputeManager.reboot_instance", "*args, **kwargs"),
        since=33,
    ),
    *_calls(
        "an adjustment is checked against quotas as Nova's own requests are",
        (
            "nova.objects.quotas:Quotas.check_deltas",
            "context, deltas, *count_args, **count_kwargs",
        ),
        (
            "nova.quota:QuotaEngine.get_project_quotas",
            "self, context, project_id, quota_class, usages",
        ),
        (
            "nova.quota:QuotaEngine.get_user_quotas",
            "self, context, project_id, user_id, quota_class, usages",
        ),
        ("nova.limit.placement:_get_enforcer", "context, project_id"),
        ("nova.limit.utils:use_unified_limits", ""),
    ),
    *_calls(
        "a limit may be left unset, and is not enforced then",
        ("nova.limit.utils:should_enforce", "exc"),
        since=31,
    ),
    *_calls(
        "our API and commands choose threads or eventlet as Nova's own do; in Nova 32",
        ("nova.monkey_patch:patch", ""),
        since=32,
        until=33,
    ),
    *_calls(
        "our API and commands choose threads or eventlet as Nova's own do; since Nova 33 the "
        "choice is an argument",
        ("nova.monkey_patch:patch", "backend"),
        since=33,
    ),
    *_calls(
        "our API makes the same checks as Nova's own",
        ("nova.compute.api:_get_image_meta_obj", "image_meta_dict"),
        ("nova.compute.api:API._check_metadata_properties_quota", "self, context, metadata"),
        ("nova.compute.api:check_instance_state", "vm_state, task_state, must_have_launched"),
        ("nova.compute.api:check_instance_host", "check_is_up"),
        (
            "nova.api.openstack.common:get_instance",
            "compute_api, context, instance_id, expected_attrs, cell_down_support",
        ),
        (
            "nova.api.openstack.common:raise_http_conflict_for_instance_invalid_state",
            "exc, action, server_id",
        ),
        ("nova.api.openstack.common:get_flavor", "context, flavor_id"),
        (
            "nova.api.openstack.common:ViewBuilder._get_href_link",
            "self, request, identifier, collection_name",
        ),
        (
            "nova.api.openstack.common:ViewBuilder._get_collection_links",
            "self, request, items, collection_name",
        ),
        (
            "nova.objects.instance_mapping:InstanceMapping.get_by_instance_uuid",
            "context, instance_uuid",
        ),
        (
            "nova.compute.api:API.get_all",
            "self, context, search_opts, limit, marker, expected_attrs, sort_keys, sort_dirs",
        ),
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
    ),
    *_calls(
        "the upgrade check reads all flavors",
        ("nova.objects.flavor:FlavorList.get_all", "context, inactive, filters"),
    ),
    *_calls(
        "oslopolicy-policy-generator asks for Nova's enforcer",
        ("nova.policy:get_enforcer", ""),
    ),
    *_calls(
        "the image that a guest will be made of is read as Nova reads it",
        (
            "nova.objects.image_meta:ImageMeta.from_image_ref",
            "context, image_api, image_ref",
        ),
        ("nova.objects.image_meta:ImageMeta.from_dict", "image_meta"),
        ("nova.objects.image_meta:ImageMetaProps.from_dict", "image_props"),
        ("nova.utils:get_image_from_system_metadata", "system_meta"),
        ("nova.utils:get_system_metadata_from_image", "image_meta, flavor"),
        ("nova.utils:SM_IMAGE_PROP_PREFIX", "str"),
        ("nova.virt.hardware:check_hw_rescue_props", "image_meta"),
        (
            "nova.block_device:get_bdm_image_metadata",
            "context, image_api, volume_api, block_device_mapping, legacy_bdm",
        ),
        (
            "nova.objects.block_device:BlockDeviceMappingList.get_by_instance_uuid",
            "context, instance_uuid",
        ),
    ),
    *_calls(
        "a rebuild that is refused on the compute host ends as a failed operation of Nova does",
        ("nova.compute.manager:wrap_exception", "service, binary"),
        ("nova.compute.manager:reverts_task_state", "function"),
        ("nova.compute.manager:wrap_instance_fault", "function"),
        ("nova.compute.utils:EventReporter", "class"),
    ),
    *_calls(
        "flavors are read as Nova reads them",
        ("nova.virt.hardware:get_cpu_policy_constraint", "flavor, image_meta"),
        ("nova.virt.hardware:get_dedicated_cpu_constraint", "flavor"),
        ("nova.virt.hardware:get_realtime_cpu_constraint", "flavor, image_meta"),
    ),
)
