# SPDX-License-Identifier: Apache-2.0
"""The options of nova-xloud, which are read from Nova's own configuration files.

They are the group ``[xloud]`` and the option ``[upgrade_levels] xloud``.
"""

from __future__ import annotations

from dataclasses import dataclass

from oslo_config import cfg

from nova_xloud.core.convergence.balloon import DEFAULTS, Limits

GROUP = cfg.OptGroup(
    "xloud",
    title="nova-xloud",
    help="Options of nova-xloud, which changes the vCPUs and memory of a running instance between "
    "its flavor's minimum and its flavor's maximum.",
)

OPTS = [
    cfg.StrOpt(
        "usage_reports",
        default="flavor",
        choices=[
            ("flavor", "the flavor's maximum, as without nova-xloud"),
            ("held", "what the instance holds at the moment of the report"),
        ],
        help="Which vCPUs and memory of an instance the API's simple tenant usage and Nova's "
        "unversioned notifications report. Billing systems read both. Neither is a history of "
        "sizes; for a history, read the notifications compute.instance.xloud_adjust.",
    ),
    cfg.IntOpt(
        "memory_floor_mb",
        default=256,
        min=64,
        help="The memory, in MiB, that every guest needs for its kernel, initramfs and system. A "
        "flavor's minimum_memory must not be less, and an instance whose flavor has no "
        "minimum_memory cannot be adjusted below this value. An instance of a flavor with less "
        "memory than this boots with all of the flavor's memory. Set the same value for all Nova "
        "services, because the size that is claimed depends on it.",
    ),
    cfg.IntOpt(
        "memory_floor_percent",
        default=4,
        min=0,
        max=100,
        help="A flavor's minimum_memory must not be less than 160 MiB plus this share, in percent, "
        "of the flavor's memory. With 0, only memory_floor_mb limits it. A guest's kernel uses "
        "1/64 of the guest's maximum memory to describe its pages, and more for tables that are "
        "sized by the maximum; the balloon cannot reclaim that. With a maximum of 4096 MiB, a "
        "Debian guest needs at least 320 MiB. Set the same value for all Nova services.",
    ),
    cfg.IntOpt(
        "converge_workers",
        default=4,
        min=1,
        help="How many instances of one compute host take a step towards their size at the same "
        "time. As many more can wait in libvirt for their guest to release a vCPU. The number of "
        "adjustments under way is not limited: an instance that waits for its guest does not keep "
        "another instance from taking a step.",
    ),
    cfg.FloatOpt(
        "placement_timeout",
        default=10.0,
        min=1.0,
        help="How many seconds a compute host waits for Placement to answer a call of nova-xloud. "
        "After that, nova-xloud retries the operation later, and does not assume that a claim was "
        "released. Nova's own calls to Placement use [placement] timeout instead.",
    ),
    cfg.FloatOpt(
        "step_timeout",
        default=60.0,
        min=1.0,
        help="How many seconds a guest may make no progress in one step (adding or removing vCPUs, "
        "or moving the balloon to its target) before the adjustment is reported as refused by the "
        "guest. A step with progress may take five times as long. libvirt itself waits 5 s for the "
        "removal of a vCPU; a vCPU that the guest releases after those 5 s still counts as "
        "removed.",
    ),
    cfg.FloatOpt(
        "poll_interval",
        default=0.25,
        min=0.01,
        help="Seconds between two readings of a guest while a step waits for it. The interval "
        "grows with the time waited, up to 2 s.",
    ),
    cfg.IntOpt(
        "claim_attempts",
        default=5,
        min=1,
        help="How many times a write of an instance's allocation is tried when Placement answers "
        "that the allocation was changed concurrently.",
    ),
    cfg.FloatOpt(
        "hotplug_timeout",
        default=90.0,
        min=1.0,
        help="How many seconds the RPC method hotplug_vcpus waits for the guest.",
    ),
    cfg.IntOpt(
        "balloon_step_mb",
        default=1024,
        min=16,
        help="The largest step, in MiB, by which a guest's memory is reduced. Before each step "
        "nova-xloud waits for new memory statistics from the guest's balloon driver, except in an "
        "adjustment with force. The driver reports them every second while a guest is reduced.",
    ),
    cfg.IntOpt(
        "balloon_reserve_mb",
        default=64,
        min=0,
        help="The memory, in MiB, that a guest keeps when its memory is reduced, in addition to "
        "what the guest uses according to its own statistics. Only an adjustment with force leaves "
        "the guest less.",
    ),
    cfg.BoolOpt(
        "offline_vcpus",
        default=False,
        help="Whether vCPUs that cannot be removed from a guest are taken offline by the guest's "
        "agent instead, if the guest has an agent. Such vCPUs stay claimed, because the guest can "
        "bring them online again at any time.",
    ),
    cfg.FloatOpt(
        "boot_grace",
        default=120.0,
        min=0.0,
        help="How many seconds a guest has, after its start or after it has restarted itself, "
        "until its balloon has reached the size that the guest boots with. After that time all "
        "memory that the guest holds is claimed.",
    ),
    cfg.IntOpt(
        "reconcile_interval",
        default=60,
        help="Seconds between two passes over all instances of a compute host. A pass resumes "
        "unfinished adjustments, and repairs instances that differ from their desired size. 0 "
        "stands for 60. With a negative value there are no periodic passes.",
    ),
    cfg.FloatOpt(
        "retry_max_interval",
        default=3600.0,
        min=1.0,
        help="The longest time, in seconds, between two attempts to adjust a guest that has "
        "refused. The first retry comes with the next pass, the second after reconcile_interval, "
        "and then the time doubles with each attempt.",
    ),
    cfg.IntOpt(
        "give_up_after",
        default=10,
        min=0,
        help="How many attempts are made to bring a guest to a requested size. After the last "
        "attempt the size that the guest has becomes its desired size, the rest of its claim is "
        "released, and the condition GaveUp becomes true. With 0 a requested size "
        "is never given up, and a guest that refused to shrink boots with the smaller size at its "
        "next start.",
    ),
    cfg.StrOpt(
        "autoscale",
        default="off",
        choices=[
            ("off", "no server is scaled unless its flavor or a request says so"),
            ("observe", "what should be done is decided and written down, and nothing is changed"),
            ("on", "servers are scaled automatically"),
        ],
        help="Whether a server whose flavor names a minimum, or that was adjusted, grows and "
        "shrinks by itself. It counts for servers of which neither a request nor the flavor's "
        "extra spec xloud:autoscale says something else. Set the same value for all Nova "
        "services.",
    ),
    cfg.FloatOpt(
        "autoscale_interval",
        default=5.0,
        min=1.0,
        max=300.0,
        help="Seconds between two rounds of automatic growth on a compute host. A round reads the "
        "statistics of all guests in one call to libvirt, and decides for each server whose mode "
        "is not off.",
    ),
    cfg.FloatOpt(
        "autoscale_hold",
        default=3600.0,
        min=0.0,
        help="How many seconds automatic growth does not shrink a server below a size that a "
        "person has asked for.",
    ),
    cfg.IntOpt(
        "autoscale_cap",
        default=12,
        min=1,
        help="After how many changes of a server in an hour automatic growth changes it no more, "
        "with the reason hold.cap, until one of them is an hour old. Two kinds of growth do not "
        "wait: that of memory while the guest is in distress (it swaps, waits for memory, or has "
        "hardly any left), and that which takes back a shrink that did harm. More than 32 count "
        "as 32.",
    ),
    cfg.FloatOpt(
        "autoscale_window",
        default=0.0,
        min=0.0,
        help="How many seconds automatic growth remembers the highest need before it shrinks a "
        "server, in place of the hour, six hours or day of the profiles; the pauses after a change "
        "are shortened with it. 0: as the profiles say. It is for labs and tests: with a short "
        "window servers shrink below what they need again soon.",
    ),
    cfg.StrOpt(
        "autoscale_journal",
        default="$state_path/xloud-autoscale",
        sample_default="/var/lib/nova/xloud-autoscale",
        help="The folder in which a compute host writes each decision of automatic growth with "
        "its inputs, one line of JSON each, for nova-xloud-autoscale. Empty: no journal is "
        "written, and what guests needed is forgotten when nova-compute restarts. Nothing is "
        "written as long as no server's mode is observe or on.",
    ),
    cfg.IntOpt(
        "autoscale_journal_mb",
        default=256,
        min=1,
        help="How many MiB the journal may take on a compute host. The oldest file is removed "
        "first. Older files are compressed.",
    ),
    cfg.PortOpt(
        "metrics_port",
        min=1,
        help="The port on which nova-compute serves its metrics to Prometheus. If it is not set, "
        "nova-compute serves no metrics. Metrics need the package prometheus_client: install "
        "nova-xloud[metrics].",
    ),
    cfg.HostAddressOpt(
        "metrics_host",
        default="127.0.0.1",
        help="The address on which nova-compute listens for metrics_port. There is no password: "
        "whoever can connect to the address can read the UUIDs, projects and sizes of all "
        "instances on the host.",
    ),
]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The values of the options of ``[xloud]`` that the package ``compute`` uses.

    The fields have the names of the options, with two exceptions. ``retry_interval`` is the option
    ``reconcile_interval``, or 60 if that is not above 0. ``limits`` has the options
    ``balloon_step_mb``, ``balloon_reserve_mb`` and ``offline_vcpus``. Fields whose names end in
    ``_timeout``, ``_interval`` or ``_grace`` are in seconds.
    """

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


@dataclass(frozen=True, slots=True)
class AutoscaleOptions:
    """The values of the options ``[xloud] autoscale_*``; the fields lack the ``autoscale_``.

    ``interval``, ``hold`` and ``window`` are in seconds. ``cap`` counts changes of an instance in
    an hour. ``journal`` is a folder; empty: no journal is written. ``journal_mb`` is in MiB.
    """

    interval: float = 5.0
    hold: float = 3600.0
    cap: int = 12
    window: float = 0.0
    journal: str = ""
    journal_mb: int = 256


# Nova's own group: it has one option for each RPC interface, which caps the version to send.
UPGRADE_LEVELS = "upgrade_levels"
UPGRADE_OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "xloud",
        help="The highest version of nova-xloud's RPC interface, such as 1.0, that is sent to "
        "compute hosts. Set it while some hosts run an older version. A request that needs a later "
        "version is refused with xloud.host_unsupported. Without this option every request is sent "
        "to the host, and a host refuses a request that the host does not know.",
    ),
]


def register(conf: cfg.ConfigOpts) -> None:
    """Register the options of nova-xloud on ``conf``; registering them again changes nothing."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)
    conf.register_opts(UPGRADE_OPTS, group=UPGRADE_LEVELS)


def engine_options(conf: cfg.ConfigOpts) -> EngineOptions:
    """Return the present values of the options that the package ``compute`` uses.

    The result does not follow later changes of ``conf``.
    """
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


def autoscale_options(conf: cfg.ConfigOpts) -> AutoscaleOptions:
    """Return the present values of the options ``[xloud] autoscale_*``.

    The result does not follow later changes of ``conf``.
    """
    group = conf.xloud
    return AutoscaleOptions(
        interval=group.autoscale_interval,
        hold=group.autoscale_hold,
        cap=group.autoscale_cap,
        window=group.autoscale_window,
        journal=group.autoscale_journal,
        journal_mb=group.autoscale_journal_mb,
    )


def list_opts() -> list[tuple[cfg.OptGroup | str, list[cfg.Opt]]]:
    """Return all groups and options for ``oslo-config-generator --namespace nova-xloud``."""
    return [(GROUP, OPTS), (UPGRADE_LEVELS, UPGRADE_OPTS)]
