# SPDX-License-Identifier: Apache-2.0
"""Options of the tests in tempest.conf."""

from __future__ import annotations

from oslo_config import cfg

AVAILABLE = cfg.BoolOpt(
    "xloud", default=True, help="Whether the cloud's Nova is extended by nova-xloud."
)

GROUP = cfg.OptGroup(name="xloud", title="Live vertical scaling of servers (nova-xloud)")

OPTIONS = [
    cfg.IntOpt(
        "min_vcpus", default=1, min=1, help="minimum_cpu of the flavors that the tests create."
    ),
    cfg.IntOpt(
        "max_vcpus",
        default=4,
        min=3,
        help="vCPUs of these flavors; at least two more than min_vcpus. An emulated guest (no KVM) "
        "can be given only as many in its life as lie between the two: leave it more there.",
    ),
    cfg.IntOpt(
        "min_memory_mb",
        default=512,
        min=64,
        help="minimum_memory of these flavors: what the guest of [compute] image_ref can run in.",
    ),
    cfg.IntOpt(
        "max_memory_mb",
        default=1024,
        min=128,
        help="RAM of these flavors; at least 128 more than min_memory_mb.",
    ),
    cfg.IntOpt("disk_gb", default=1, min=0, help="Disk of these flavors."),
    cfg.IntOpt(
        "adjust_timeout",
        default=180,
        min=1,
        help="Seconds until the guest must have followed an adjustment.",
    ),
    cfg.BoolOpt(
        "guest_follows",
        default=True,
        help="Whether the guest of [compute] image_ref gives back vCPUs and memory: it needs ACPI "
        "and a balloon driver. Without it nothing is tested that makes a running server smaller.",
    ),
]
