# SPDX-License-Identifier: Apache-2.0
"""The options of the tests, which are set in tempest.conf."""

from __future__ import annotations

from oslo_config import cfg

AVAILABLE = cfg.BoolOpt(
    "xloud",
    default=True,
    help="Whether the cloud's Nova is extended by nova-xloud. If false, nova-xloud's tests are "
    "skipped.",
)

GROUP = cfg.OptGroup(name="xloud", title="Live vertical scaling of servers (nova-xloud)")

OPTIONS = [
    cfg.IntOpt(
        "min_vcpus",
        default=1,
        min=1,
        help="The extra spec minimum_cpu of the flavors that the tests create.",
    ),
    cfg.IntOpt(
        "max_vcpus",
        default=4,
        min=3,
        help="The vCPUs of the flavors that the tests create; at least two more than min_vcpus. "
        "Without KVM, QEMU ends when more vCPUs than max_vcpus less min_vcpus are added to a guest "
        "from one start to the next, even if others are removed: set a larger value there.",
    ),
    cfg.IntOpt(
        "min_memory_mb",
        default=512,
        min=64,
        help="The extra spec minimum_memory, in MiB, of the flavors that the tests create. The "
        "guest of [compute] image_ref must be able to run with that much memory.",
    ),
    cfg.IntOpt(
        "max_memory_mb",
        default=1024,
        min=128,
        help="The memory, in MiB, of the flavors that the tests create; at least 128 more than "
        "min_memory_mb.",
    ),
    cfg.IntOpt(
        "disk_gb",
        default=1,
        min=0,
        help="The disk, in GiB, of the flavors that the tests create.",
    ),
    cfg.IntOpt(
        "adjust_timeout",
        default=180,
        min=1,
        help="How many seconds a guest may take to reach the size of an adjustment.",
    ),
    cfg.BoolOpt(
        "guest_follows",
        default=True,
        help="Whether the guest of [compute] image_ref gives back vCPUs and memory, for which it "
        "needs ACPI and a balloon driver. If false, the tests that make a running server smaller "
        "are skipped.",
    ),
]
