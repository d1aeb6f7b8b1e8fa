"""The host of the measures of automatic growth: rounds over guests whose statistics change.

A round is the engine's own: statistics parsed, need, recommendation, arbitration, journal. libvirt
answers with statistics that are made beforehand, as many as KVM has for guests of four vCPUs; time
goes by an interval from one round to the next.
"""

import contextlib
import functools
import gc
import random
import tempfile
import time
import tracemalloc
from unittest import mock

from nova_xloud.compute.autoscaling.autoscaler import Clocks
from nova_xloud.core.autoscaling.history import EMPTY, observed
from nova_xloud.core.autoscaling.sample import GuestSample
from nova_xloud.core.autoscaling.settings import Profile
from nova_xloud.core.autoscaling.tuning import TUNINGS
from nova_xloud.core.size import Size
from nova_xloud.libvirt import guest_samples
from nova_xloud.seams import compute_manager
from tests.bench import usage
from tests.bench.host import Host

INTERVAL = 5.0
# Rounds that are made before any is measured, once the statistics of all guests come often: a round
# sets that for twenty guests at most, so with a thousand there is something to do in fifty rounds.
_WARM = 12
# In so many rounds they have to be set for all guests.
_LONGEST_START = 200
# What libvirt has of a vCPU of KVM beside its times: so many figures of its own statistics.
_KVM_FIGURES = 32

_host = None
_time = None


class _Time:
    """Time that goes by an interval from one round to the next, and stands still between.

    On a busy machine a report would be too old for a round that has to wait for a processor.
    """

    def __init__(self):
        self.offset = 0.0
        self._began = time.monotonic(), time.time()

    def now(self):
        return self._began[0] + self.offset

    def wall(self):
        return self._began[1] + self.offset


def start(placement, mode="on", with_scaling=True):
    """Have a host without servers.

    :param mode: ``[xloud] autoscale``
    :param with_scaling: False: the engine is made without automatic growth
    """
    global _host, _time
    _time = _Time()
    folder = tempfile.mkdtemp()
    options = {"autoscale": mode, "autoscale_journal": f"{folder}/journal", "reconcile_interval": 0}
    with contextlib.ExitStack() as stack:
        if not with_scaling:
            stack.enter_context(
                mock.patch.object(compute_manager.XloudComputeManager, "_scaling", None)
            )
        _host = Host(folder, placement, **options)
    if with_scaling and mode != "off":
        # Rounds are made by hand.
        scaling = _host.engine._scaling
        scaling._loop.close()
        scaling.rounds._clocks = Clocks(_time.now, _time.wall)


def grow_to(count, stock=False):
    """Have so many servers, and no pass that finds anything."""
    _host.add(count - len(_host.instances), stock=stock)
    for _ in range(10):
        if not _host.engine._reconciler.run():
            return
        _host.wait_until_idle()
    raise RuntimeError("passes find something to do again and again")


def passes(count):
    """CPU milliseconds of each of so many passes."""
    took = []
    for _ in range(count):
        gc.collect()
        began = time.process_time()
        _host.engine._reconciler.run()
        took.append((time.process_time() - began) * 1000)
    return took


def threads():
    """How many threads the process has."""
    return usage.threads()


def rounds(count):
    """CPU milliseconds of each of so many rounds over all servers, none of which is new to them."""
    answers = _Answers(_host.connection)
    one_round = _host.engine._scaling.rounds
    read = functools.partial(guest_samples.read_samples, wall=_time.wall)
    with answers.given(), mock.patch.object(guest_samples, "read_samples", read):
        for _ in range(_LONGEST_START):
            _one_round(one_round, answers)
            if len(one_round._periods._set) == len(_host.instances):
                break
        else:
            raise RuntimeError("some guests' statistics do not come often")
        told = [_one_round(one_round, answers) for _ in range(_WARM + count)][_WARM:]
    states = one_round._states
    if len(states) != len(_host.instances) or any(one.sample is None for one in states.values()):
        raise RuntimeError("a round has not read all guests")
    advice = [one.recommendation.memory_mb for one in states.values()]
    unknown = [one for one in advice if one.need is None]
    if unknown:
        raise RuntimeError(f"of {len(unknown)} guests no need is known: {unknown[0]}")
    return told


def _one_round(one_round, answers):
    """CPU milliseconds of one round."""
    _time.offset += INTERVAL
    answers.next(_time.wall())
    gc.collect()
    began = time.process_time()
    one_round.run_round()
    return (time.process_time() - began) * 1000


class _Answers:
    """What libvirt answers: the fake's own statistics with figures that move, and those of KVM."""

    def __init__(self, connection):
        self._connection = connection
        records = connection.getAllDomainStats(-1, 0)
        self._domains = [domain for domain, _ in records]
        self._records = [_as_of_kvm(record) for _, record in records]
        self._random = random.Random(1)

    def next(self, wall):
        """Let the guests work for an interval."""
        for record in self._records:
            record["balloon.last-update"] = int(wall)
            size = record["balloon.current"]
            record["balloon.usable"] = int(size * self._random.uniform(0.44, 0.46))
            for number in range(record["vcpu.current"]):
                record[f"vcpu.{number}.time"] += int(self._random.uniform(0.2, 0.4) * 5e9)

    @contextlib.contextmanager
    def given(self):
        """Answer for as long as the block lasts, with dictionaries of their own each time."""

        def stats(stats, flags):
            return [(d, dict(r)) for d, r in zip(self._domains, self._records, strict=True)]

        with mock.patch.object(self._connection, "getAllDomainStats", stats):
            yield


def _as_of_kvm(record):
    told = dict(record)
    memory = told["balloon.current"]
    told |= {
        "balloon.available": memory - 20_000,
        "balloon.usable": memory // 2,
        "balloon.unused": memory // 4,
        "balloon.disk_caches": memory // 5,
        "balloon.swap_in": 0,
        "balloon.swap_out": 0,
        "balloon.major_fault": 100,
        "balloon.minor_fault": 100_000,
        "balloon.rss": memory,
        "balloon.last-update": int(time.time()),
    }
    told["vcpu.current"] = 4
    for vcpu in range(4):
        told |= {f"vcpu.{vcpu}.{name}": 0 for name in ("state", "time", "wait", "delay")}
        told |= {f"vcpu.{vcpu}.kvm_{number}.sum": number for number in range(_KVM_FIGURES)}
    return told


def remembered(count):
    """KiB that a guest's history takes, when so many have a full window of falling peaks."""
    tuning = TUNINGS[Profile.CAREFUL]
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [_full_history(number, tuning) for number in range(count)]
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert all(len(one.memory.track.peaks.values) > 30 for one in kept)
    return taken / count / 1024


def _full_history(number, tuning):
    """The most that can be remembered: each bucket of the window is lower than the one before."""
    history, at, cpu = EMPTY, 1.7e9, 0.0
    rest = 8000.0 + number
    for step in range(300):
        at += tuning.window / 256
        cpu += (4 - step / 100) * tuning.window / 256
        rest -= 20
        sample = GuestSample(
            at=at,
            boot_id=number,
            size=Size(4, 16384),
            desired=Size(4, 16384 - step % 2),
            cpu_seconds=cpu,
            delay_seconds=0.1 * step,
            available_mb=16000.0,
            usable_mb=16000.0 - rest,
            cache_mb=100.0,
            swapped_in_mb=0.0,
            swapped_out_mb=0.0,
            major_faults=step,
            reported_at=at,
            report_period=5.0,
        )
        history = observed(history, sample, tuning)
    return history
