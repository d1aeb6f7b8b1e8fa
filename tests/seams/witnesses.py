# SPDX-License-Identifier: Apache-2.0
"""Of each seam the functional test that fails when Nova does not call it any more.

A seam is named by its target in ``seams/table.py``, a test by its node id below
``tests/functional/``.
"""

WITNESSES = {
    # What an operator may write into a flavor
    "nova.api.openstack.compute.flavors_extraspecs:"
    "FlavorExtraSpecsController._check_extra_specs_value": (
        "test_flavors.py::FlavorExtraSpecs::test_old_microversions_are_no_way_round"
    ),
    # Boot
    "nova.compute.api:API._validate_and_build_base_options": (
        "test_boot.py::Boot::test_metadata_mirrors_the_minimums"
    ),
    "nova.compute.api:API._validate_flavor_image_nostatus": (
        "test_host_statistics.py::Images::test_image_with_min_ram_above_the_boot_size_is_refused"
    ),
    "nova.compute.api:API.rebuild": (
        "test_images_at_hand.py::Rebuild::"
        "test_with_another_image_or_the_same_one_changed_it_is_no_larger_1"
    ),
    "nova.compute.api:API.rescue": (
        "test_images_at_hand.py::Rescue::test_with_an_image_that_needs_more_is_refused_1"
    ),
    "nova.compute.api:API.unshelve": (
        "test_images_at_hand.py::Unshelve::"
        "test_from_a_changed_snapshot_is_refused_until_it_is_changed_back"
    ),
    "nova.compute.utils:initialize_instance_snapshot_metadata": (
        "test_snapshots.py::Snapshots::test_has_nothing_of_the_record_1_snapshot"
    ),
    "nova.compute.api:API.attach_interface": (
        "test_definitions.py::Attached::test_below_its_maximum_it_is_refused_with_both_numbers"
    ),
    "nova.objects.request_spec:RequestSpec": (
        "test_scheduler_utils.py::test_the_request_spec_itself_has_the_boot_size"
    ),
    "nova.scheduler.utils:ResourceRequest.from_request_spec": (
        "test_cpu_policies.py::Dedicated::test_pins_are_for_the_maximum_and_pcpus_for_what_is_held"
    ),
    "nova.scheduler.manager:SchedulerManager._get_all_host_states": (
        "test_too_large.py::HostsOfTwoSizes::test_memory_beyond_the_hosts"
    ),
    "nova.scheduler.manager:SchedulerManager.select_destinations": (
        "test_too_large.py::HostsOfTwoSizes::test_though_placement_names_the_small_one_only"
    ),
    # Moves
    "nova.scheduler.utils:claim_resources_on_destination": (
        "test_mixed_cloud.py::SomeHostsAreStock::test_forced_evacuation_to_a_stock_host_is_refused"
    ),
    "nova.conductor.tasks.migrate:MigrationTask._schedule": (
        "test_moves.py::ColdMigration::test_no_room_for_the_persisted_size_is_no_valid_host"
    ),
    "nova.conductor.tasks.live_migrate:"
    "LiveMigrationTask._get_request_spec_for_select_destinations": (
        "test_moves.py::LiveMigration::test_the_live_size_is_claimed_on_the_target_before_it_starts"
    ),
    "nova.conductor.manager:ComputeTaskManager._restrict_request_spec_to_cell": (
        "test_moves.py::Evacuate::test_no_room_for_it_is_no_valid_host"
    ),
    "nova.scheduler.utils:resources_from_flavor": (
        "test_placement_tools.py::Heal::"
        "test_what_the_guest_holds_more_than_it_should_is_allocated_too"
    ),
    "nova.db.main.api:_instance_update": (
        "test_engine.py::Afterwards::test_stale_save_does_not_overwrite_the_record_of_an_adjustment"
    ),
    # Quotas
    "nova.compute.utils:check_num_instances_quota": (
        "test_quotas.py::Legacy::test_created_it_counts_its_boot_size"
    ),
    "nova.limit.placement:enforce_num_instances_and_resources": (
        "test_quotas.py::UnifiedLimits::test_restored_it_counts_what_it_held"
    ),
    "nova.limit.placement:enforce_num_instances_and_flavor": (
        "test_quotas.py::UnifiedLimits::test_restored_it_counts_what_it_held"
    ),
    "nova.compute.api:API._check_quota_for_upsize": (
        "test_quotas.py::Legacy::test_resized_it_counts_from_what_it_holds_to_what_it_will_hold"
    ),
    "nova.compute.utils:upsize_quota_delta": (
        "test_quotas.py::Legacy::test_resized_it_counts_from_what_it_holds_to_what_it_will_hold"
    ),
    "nova.compute.api:API._check_quota_unshelve_offloaded": (
        "test_quotas.py::CountedInPlacement::test_unshelved_it_counts_what_is_persisted"
    ),
    "nova.compute.api:API.restore": (
        "test_quotas.py::Legacy::test_restored_it_counts_what_it_held"
    ),
    # Guest XML
    "nova.virt.libvirt.driver:LibvirtDriver._get_guest_config": (
        "test_boot.py::Boot::test_holds_the_minimum_everywhere_1"
    ),
    "nova.virt.libvirt.driver:LibvirtDriver.unrescue": (
        "test_definitions.py::Definition::test_the_xml_that_unrescue_starts_has_the_persisted_size"
    ),
    "nova.virt.libvirt.driver:LibvirtDriver.init_host": (
        "test_after_a_crash.py::Crashed::test_a_guest_that_ran_when_the_service_began_is_none_that_boots"
    ),
    "nova.virt.libvirt.host:Host._connection_closed": (
        "test_libvirt_connection.py::Closed::test_one_that_is_found_closed_is_replaced"
    ),
    "nova.scheduler.client.report:SchedulerReportClient._create_client": (
        "test_placement_timeout.py::test_clock_that_was_set_back_keeps_nova_not_waiting"
    ),
    "nova.virt.libvirt.driver:LibvirtDriver.update_provider_tree": (
        "test_boot.py::Boot::test_its_host_says_what_it_can_do"
    ),
    "nova.virt.libvirt.config:LibvirtConfigGuest._format_basic_props": (
        "test_boot.py::Boot::test_holds_the_minimum_everywhere_1"
    ),
    "nova.virt.libvirt.config:LibvirtConfigGuest._parse_basic_props": (
        "test_guest_config.py::test_what_is_written_is_read[smallest]"
    ),
    # API
    "nova.api.openstack.compute.routes:ROUTE_LIST": (
        "test_adjust.py::Status::test_shape_that_dashboards_read"
    ),
    "nova.policies:list_rules": (
        "test_adjust.py::Status::test_a_reader_of_the_project_may_look_but_not_adjust"
    ),
    # Usage reports
    "nova.api.openstack.compute.simple_tenant_usage:"
    "SimpleTenantUsageController._get_instances_all_cells": (
        "test_host_statistics.py::UsageReports::test_are_of_what_is_held_if_an_operator_wants_that"
    ),
    "nova.notifications.base:info_from_instance": (
        "test_host_statistics.py::UsageReports::test_are_of_what_is_held_if_an_operator_wants_that"
    ),
    "nova.notifications:info_from_instance": (
        "test_host_statistics.py::UsageReports::test_are_of_what_is_held_if_an_operator_wants_that"
    ),
    # Notifications
    "nova.rpc:LegacyValidatingNotifier.allowed_legacy_notification_event_types": (
        "test_engine.py::Asked::test_is_notified_of"
    ),
    # The compute host
    "nova.compute.resource_tracker:ResourceTracker": (
        "test_host_statistics.py::HostStatistics::test_hypervisors_have_used_what_instances_hold"
    ),
    "nova.service:SERVICE_MANAGERS": "test_adjust.py::Status::test_shape_that_dashboards_read",
    # The upgrade check
    "nova.conductor.manager:ConductorManager.pre_start_hook": (
        "test_upgrade_check.py::Ready::test_all_is_well_and_said_of_each"
    ),
    "nova.scheduler.manager:SchedulerManager.pre_start_hook": (
        "test_upgrade_check.py::Ready::test_all_is_well_and_said_of_each"
    ),
}

_MANAGER = "nova_xloud.seams.compute_manager:XloudComputeManager"
_TRACKER = "nova_xloud.seams.resource_tracker:XloudResourceTracker"
_DRIVER = "nova_xloud.seams.libvirt_driver"
_SPEC = "nova.objects:RequestSpec"
_OPERATIONS = "test_operations.py::Operations::test_persisted_it_stays"

# The same of each method of Nova that a subclass of ours overrides, by the name of ours.
OVERRIDES = {
    f"{_MANAGER}.pre_start_hook": f"{_OPERATIONS}_06__nova_compute_restart",
    f"{_MANAGER}.cleanup_host": (
        "test_after_a_crash.py::Crashed::test_a_service_that_ends_in_order_ends_what_it_began"
    ),
    f"{_MANAGER}._set_instance_info": "test_moves.py::Resize::test_to_the_new_flavors_minimum",
    f"{_MANAGER}.start_instance": f"{_OPERATIONS}_07__stop_and_start",
    f"{_MANAGER}.stop_instance": f"{_OPERATIONS}_07__stop_and_start",
    f"{_MANAGER}.reboot_instance": f"{_OPERATIONS}_01__soft_reboot",
    f"{_MANAGER}.unpause_instance": f"{_OPERATIONS}_02__pause",
    f"{_MANAGER}.resume_instance": f"{_OPERATIONS}_03__suspend",
    f"{_MANAGER}.rebuild_instance": f"{_OPERATIONS}_09__rebuild",
    f"{_MANAGER}._build_and_run_instance": (
        "test_autoscale.py::ModesOfFlavors::test_new_server_is_scaled_as_soon_as_it_is_built"
    ),
    f"{_MANAGER}._get_rescue_image": (
        "test_images_at_hand.py::Rescue::test_host_refuses_the_rescue_before_power_off"
    ),
    f"{_MANAGER}.rescue_instance": f"{_OPERATIONS}_10__rescue",
    f"{_MANAGER}.unrescue_instance": f"{_OPERATIONS}_10__rescue",
    f"{_MANAGER}.attach_interface": (
        "test_definitions.py::Devices::test_a_pass_looks_after_an_interface_is_attached"
    ),
    f"{_MANAGER}.attach_volume": (
        "test_definitions.py::Devices::test_a_pass_looks_after_a_volume_is_attached"
    ),
    f"{_MANAGER}.finish_resize": (
        "test_races.py::TheOperationFirst::"
        "test_once_it_has_begun_an_adjustment_is_refused_2__reverted_resize"
    ),
    f"{_MANAGER}.finish_revert_resize": (
        "test_races.py::TheOperationFirst::"
        "test_once_it_has_begun_an_adjustment_is_refused_2__reverted_resize"
    ),
    f"{_MANAGER}.unshelve_instance": (
        "test_races.py::AdjustedFirst::"
        "test_admitted_and_not_begun_the_operation_is_with_the_new_size_04__shelving"
    ),
    f"{_MANAGER}.post_live_migration_at_destination": (
        "test_moves.py::LiveMigration::test_it_has_no_grace_of_a_guest_that_boots"
    ),
    f"{_TRACKER}.instance_claim": (
        "test_boot.py::Boot::test_a_host_that_cannot_balloon_refuses_to_spawn_1"
    ),
    f"{_TRACKER}._move_claim": (
        "test_moves.py::ColdMigration::test_to_a_host_that_cannot_balloon_any_more_it_does_not_go"
    ),
    f"{_TRACKER}._get_usage_dict": (
        "test_host_statistics.py::HostStatistics::test_hypervisors_have_used_what_instances_hold"
    ),
    f"{_TRACKER}._update_usage": (
        "test_host_statistics.py::HostStatistics::"
        "test_one_that_grew_leaves_the_sums_as_it_entered_them"
    ),
    f"{_TRACKER}._update_usage_from_migration": (
        "test_host_statistics_moves.py::Moves::"
        "test_size_until_the_next_stop_leaves_nothing_where_it_was"
    ),
    f"{_TRACKER}._update_usage_from_instances": (
        "test_host_statistics_moves.py::MovesOfAnotherKind::"
        "test_server_that_went_and_came_back_uncounted_takes_nothing_out"
    ),
    f"{_DRIVER}:BalloonWithoutAutodeflate.format_dom": (
        "test_guest_config.py::Balloon::test_elastic_guest_has_no_autodeflate"
    ),
    f"{_SPEC}.vcpus": "test_scheduler_utils.py::test_the_request_spec_itself_has_the_boot_size",
    f"{_SPEC}.memory_mb": "test_scheduler_utils.py::test_the_request_spec_itself_has_the_boot_size",
    f"{_SPEC}.obj_to_primitive": (
        "test_moves.py::ColdMigration::test_no_room_for_the_persisted_size_is_no_valid_host"
    ),
    f"{_SPEC}._obj_from_primitive": (
        "test_moves.py::ColdMigration::test_no_room_for_the_persisted_size_is_no_valid_host"
    ),
}
