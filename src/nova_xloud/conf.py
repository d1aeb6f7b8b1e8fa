# SPDX-License-Identifier: Apache-2.0
"""The ``[xloud]`` options, read from Nova's own configuration files."""

from __future__ import annotations

from dataclasses import dataclass

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "xloud",
    title="nova-xloud",
    help="Live vertical scaling of instances between a flavor's minimum and its maximum.",
)

OPTS = [
    cfg.IntOpt(
        "memory_floor_mb",
        default=256,
        min=64,
        help="Memory, in MiB, below which an instance whose flavor names no minimum cannot be "
        "adjusted.",
    ),
    cfg.IntOpt(
        "converge_workers",
        default=4,
        min=1,
        help="How many instances of one compute host are driven to their size at the same time.",
    ),
    cfg.FloatOpt(
        "step_timeout",
        default=60.0,
        min=1.0,
        help="Seconds that a guest has for one step (a vCPU coming or going, the balloon reaching "
        "its size) before the adjustment is reported as refused by the guest.",
    ),
    cfg.FloatOpt(
        "poll_interval",
        default=0.25,
        min=0.01,
        help="Seconds between two readings of a guest that is waited for.",
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
]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """The options that the compute room works with, as values."""

    converge_workers: int = 4
    step_timeout: float = 60.0
    poll_interval: float = 0.25
    claim_attempts: int = 5
    hotplug_timeout: float = 90.0


def register(conf: cfg.ConfigOpts) -> None:
    """Register the options on Nova's configuration; again is harmless."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def engine_options(conf: cfg.ConfigOpts) -> EngineOptions:
    """The options as frozen values."""
    group = conf.xloud
    return EngineOptions(
        converge_workers=group.converge_workers,
        step_timeout=group.step_timeout,
        poll_interval=group.poll_interval,
        claim_attempts=group.claim_attempts,
        hotplug_timeout=group.hotplug_timeout,
    )


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """For ``oslo-config-generator --namespace nova-xloud``."""
    return [(GROUP, OPTS)]
