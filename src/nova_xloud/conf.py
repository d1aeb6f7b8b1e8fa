# SPDX-License-Identifier: Apache-2.0
"""The ``[xloud]`` options, read from Nova's own configuration files."""

from __future__ import annotations

from dataclasses import dataclass

from oslo_config import cfg

from nova_xloud.core.convergence.balloon import DEFAULTS, Limits

GROUP = cfg.OptGroup(
    "xloud",
    title="nova-xloud",
    help="Live vertical scaling of instances between a flavor's minimum and its maximum.",
)

OPTS = [
    cfg.StrOpt(
        "usage_reports",
        default="flavor",
        choices=[
            ("flavor", "the flavor's maximum, as without nova-xloud"),
            ("held", "what the instance holds at the moment of the report"),
        ],
        help="Which vCPUs and memory the API's simple tenant usage and the unversioned "
        "notifications have of an instance. Billing reads them. Neither is a history of sizes; for "
        "one, read the notifications compute.instance.xloud_adjust.",
    ),
    cfg.IntOpt(
        "memory_floor_mb",
        default=256,
        min=64,
        help="Memory, in MiB, that any guest needs to live: kernel, initramfs and system. Neither "
        "may a flavor name less as its minimum, nor can an instance whose flavor names none be "
        "adjusted below it. A flavor that is smaller as a whole boots with all of its memory. Have "
        "the same value on all services of Nova: it goes into what is claimed.",
    ),
    cfg.IntOpt(
        "memory_floor_percent",
        default=4,
        min=0,
        max=100,
        help="A flavor may not name a minimum below 160 MiB and this share of its memory, in "
        "percent; 0: memory_floor_mb alone counts. A guest's kernel keeps 1/64 of the most memory "
        "that it may have for describing its pages, and more for what is sized by it, however much "
        "the balloon takes: with 4096 MiB, Debian's lives with no less than 320. Have the same "
        "value on all services of Nova.",
    ),
    cfg.IntOpt(
        "converge_workers",
        default=4,
        min=1,
        help="How many instances of one compute host take a step towards their size at the same "
        "time, and how many more wait in libvirt for a vCPU to go. However many are on their way: "
        "one that waits for its guest keeps none from taking a step.",
    ),
    cfg.FloatOpt(
        "placement_timeout",
        default=10.0,
        min=1.0,
        help="Seconds after which a compute host does not wait for Placement's answer to a call of "
        "nova-xloud any more. What the call was for is tried again later, and a claim is never "
        "taken for released. Nova's own calls have [placement] timeout.",
    ),
    cfg.FloatOpt(
        "step_timeout",
        default=60.0,
        min=1.0,
        help="Seconds that a guest has for one step (a vCPU coming or going, the balloon reaching "
        "its size) before the adjustment is reported as refused by the guest. libvirt waits 5 s "
        "for a vCPU to go; what the guest gives back after that counts.",
    ),
    cfg.FloatOpt(
        "poll_interval",
        default=0.25,
        min=0.01,
        help="Seconds between two readings of a guest that is waited for; the longer it is, the "
        "more, up to 2 s.",
    ),
    cfg.IntOpt(
        "claim_attempts",
        default=5,
        min=1,
        help="How often a claim is tried when Placement answers that the allocation has changed "
        "meanwhile.",
    ),
    cfg.FloatOpt(
        "hotplug_timeout",
        default=90.0,
        min=1.0,
        help="Seconds that hotplug_vcpus waits for the guest.",
    ),
    cfg.IntOpt(
        "balloon_step_mb",
        default=1024,
        min=16,
        help="The largest step, in MiB, by which a guest's memory is made smaller. Before each, "
        "the guest's own statistics are waited for, which it sends every [libvirt] "
        "mem_stats_period_seconds.",
    ),
    cfg.IntOpt(
        "balloon_reserve_mb",
        default=64,
        min=0,
        help="Memory, in MiB, that a guest keeps beyond what it uses by its own statistics when it "
        "is made smaller. Only an adjustment with force goes below.",
    ),
    cfg.BoolOpt(
        "offline_vcpus",
        default=False,
        help="Where vCPUs cannot be removed from a guest that has an agent, have the agent take "
        "them offline. Their claim stays, because nothing keeps the guest from using them again.",
    ),
    cfg.FloatOpt(
        "boot_grace",
        default=120.0,
        min=0.0,
        help="Seconds that a guest has after its start, or after it has restarted itself, until "
        "its balloon has the size it boots with. After them what it holds is claimed.",
    ),
    cfg.IntOpt(
        "reconcile_interval",
        default=60,
        help="Seconds between two passes over all instances of a compute host, which finish what "
        "was left and repair what has changed; negative: none but at the service's start.",
    ),
    cfg.FloatOpt(
        "retry_max_interval",
        default=3600.0,
        min=1.0,
        help="The longest time, in seconds, between two attempts on a guest that has refused. It "
        "begins with reconcile_interval and doubles.",
    ),
    cfg.IntOpt(
        "give_up_after",
        default=10,
        min=0,
        help="How many attempts are made to get a guest to a size that was asked for. After the "
        "last one, what the guest holds is desired again and persisted, what is claimed beyond it "
        "is released, and the condition GaveUp says so. 0: a size is never given up, and one that "
        "a guest refused to shrink to is what it boots with next.",
    ),
    cfg.PortOpt(
        "metrics_port",
        min=1,
        help="The port on which nova-compute serves its metrics to Prometheus; unset, it serves "
        "none. It needs prometheus_client: install nova-xloud[metrics].",
    ),
    cfg.HostAddressOpt(
        "metrics_host",
        default="127.0.0.1",
        help="The address on which metrics_port is listened on. Whoever reaches it can read "
        "which instances are on the host, whose they are, and their sizes; there is no password.",
    ),
]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The options that the package ``compute`` works with, as values."""

    converge_workers: int = 4
    step_timeout: float = 60.0
    poll_interval: float = 0.25
    claim_attempts: int = 5
    hotplug_timeout: float = 90.0
    boot_grace: float = 120.0
    retry_interval: float = 60.0
    retry_max_interval: float = 3600.0
    give_up_after: int = 10
    limits: Limits = DEFAULTS


# Nova's own group, where each of its RPC interfaces has its cap.
UPGRADE_LEVELS = "upgrade_levels"
UPGRADE_OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "xloud",
        help="The highest version of nova-xloud's RPC interface that is sent to compute hosts, "
        "such as 1.0, while some have an older one. What needs a later version is refused, with "
        "xloud.host_unsupported. Not needed where compute hosts may be asked: each refuses what "
        "it does not know.",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    """Register the options on Nova's configuration; again is harmless."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)
    conf.register_opts(UPGRADE_OPTS, group=UPGRADE_LEVELS)


def engine_options(conf: cfg.ConfigOpts) -> EngineOptions:
    """The options as frozen values."""
    group = conf.xloud
    return EngineOptions(
        converge_workers=group.converge_workers,
        step_timeout=group.step_timeout,
        poll_interval=group.poll_interval,
        claim_attempts=group.claim_attempts,
        hotplug_timeout=group.hotplug_timeout,
        boot_grace=group.boot_grace,
        # 0 is oslo.service's own default for a periodic task.
        retry_interval=group.reconcile_interval if group.reconcile_interval > 0 else 60.0,
        retry_max_interval=group.retry_max_interval,
        give_up_after=group.give_up_after,
        limits=Limits(
            step_mb=group.balloon_step_mb,
            reserve_mb=group.balloon_reserve_mb,
            offline_vcpus=group.offline_vcpus,
        ),
    )


def list_opts() -> list[tuple[cfg.OptGroup | str, list[cfg.Opt]]]:
    """For ``oslo-config-generator --namespace nova-xloud``."""
    return [(GROUP, OPTS), (UPGRADE_LEVELS, UPGRADE_OPTS)]
