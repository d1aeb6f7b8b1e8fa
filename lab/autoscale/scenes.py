# SPDX-License-Identifier: Apache-2.0
"""The scenes: what is done to servers that scale by themselves, and what has to come of it."""

from collections.abc import Callable, Mapping
from functools import partial

from lab import contents, faults, filler, lifecycle
from lab.autoscale import judge, story
from lab.autoscale.judge import Row
from lab.autoscale.stage import HOLD_SECONDS, STEP_SECONDS, WINDOW_SECONDS, Stage
from lab.guest.load import IDLE, Load
from lab.witnesses import Size

Scene = Callable[[Stage], list[Row]]

LIGHT, HEAVY, LARGE = contents.AUTOSCALE, contents.AUTOSCALE_HEAVY, contents.AUTOSCALE_LARGE
# What is promised of a busy guest: the first vCPU more, and all of them.
FIRST_SECONDS, ALL_SECONDS = 15.0, 45.0
RATE_MB = 200
# Shrinks are steps of a tenth of the maximum, one at a time, after the window.
BACK_SECONDS = 2 * WINDOW_SECONDS + 120.0
# A guest that is back may have a little more than it had at first: nothing shrinks by less.
BACK_SHARE = 1.2
# For so long nothing may change where nothing is to change by itself.
STILL_SECONDS = 15.0
MOST_CHANGES = 8


def day(stage: Stage) -> list[Row]:
    """A guest is busy, then takes memory fast, and then is idle again."""
    web, scene = "web", stage.scene
    stage.create(web, LARGE.name)
    first = stage.rest(web)
    rows = [story.rest(scene, first)]
    if first is None:
        return rows
    rows += _busy(stage, web)
    rows += _memory(stage, web, 3000)
    at = stage.load(web, IDLE, "idle")
    back = Size(1, int(first.memory_mb * BACK_SHARE))
    stage.wait("web to be back", web, lambda one: story.has_at_most(one, back), BACK_SECONDS)
    took = judge.took(stage.record, web, at, lambda one: story.has_at_most(one, back))
    last = stage.rest(web)
    rows += judge.within(scene, f"idle: back at {back} or less", took, BACK_SECONDS)
    harm = judge.harm(stage.record, web, at)
    rows.append(judge.no_harm(scene, "no distress while it shrinks", harm))
    rows.append(Row(scene, "and it stays there", str(last), last is not None))
    return [*rows, story.no_flap(stage, web)]


def _busy(stage: Stage, name: str) -> list[Row]:
    """Four CPUs are wanted of a guest with one."""
    at = stage.load(name, Load(burners=4))
    stage.wait("all vCPUs", name, judge.has_vcpus(LARGE.vcpus))
    record, scene = stage.record, stage.scene
    first = judge.took(record, name, at, judge.has_vcpus(2))
    everything = judge.took(record, name, at, judge.has_vcpus(LARGE.vcpus))
    return [
        *judge.within(scene, "busy: more vCPUs, in the guest", first, FIRST_SECONDS),
        *judge.within(scene, f"busy: all {LARGE.vcpus} of them", everything, ALL_SECONDS),
    ]


def _memory(stage: Stage, name: str, taken_mb: int) -> list[Row]:
    """Memory is taken at once, faster than the guest could give warning."""
    scene, text = stage.scene, f"takes {taken_mb} MiB at {RATE_MB} MiB/s"
    at = stage.load(name, Load(memory_mb=taken_mb, memory_rate=RATE_MB), text)
    has_it = stage.wait(text, name, lambda one: one.taken_mb == taken_mb)
    distress = judge.harm(stage.record, name, at)
    return [
        Row(scene, text, "it has it" if has_it else "it does not get it", has_it),
        judge.no_harm(scene, "memory is there before it is needed", distress),
    ]


def full_host(stage: Stage) -> list[Row]:
    """Two guests want more of a full host, and then a little room appears."""
    heavy, light, room = "heavy", "light", 320
    stage.create(heavy, HEAVY.name)
    stage.create(light, LIGHT.name)
    before = {name: stage.rest(name) for name in (heavy, light)}
    rows = [story.rest(stage.scene, size) for size in before.values()]
    if not all(row.is_met for row in rows):
        return rows
    host, cloud = stage.compute.hostname, stage.cloud
    with filler.filled(cloud, host, room):
        with filler.taken(cloud, host, room, f"{filler.NAME}-room"):
            # More than its reserve, and less than it has: it is not to be harmed while it waits.
            for name in before:
                stage.load(name, Load(memory_mb=120, memory_rate=50))
            for name in before:
                rows.append(story.deferred(stage, name))
            stage.watch(5)
            stage.recording.mark("", f"{room} MiB become free")
        for name in before:
            was = before[name]
            stage.wait(f"{name} to grow", name, partial(story.has_grown, before=was))
        stage.watch(10)
        rows += _shares(stage, before, room)
        for name in before:
            stage.load(name, IDLE)
    return rows


def _shares(stage: Stage, before: Mapping[str, Size | None], room: int) -> list[Row]:
    """Return the rows about who got how much of the room that appeared."""
    scene, record = stage.scene, stage.record
    last = stage.recording.last
    assert last is not None
    heavy, light = (story.grew(last.servers[name], before[name]) for name in ("heavy", "light"))
    measured = f"heavy (300) {heavy} MiB, light (100) {light} MiB of {room}"
    rows = [
        Row(scene, "both get some, by weight", measured, heavy >= 2 * light > 0),
        Row(scene, "and no more than there was", measured, heavy + light <= room),
    ]
    for name, floor in before.items():
        assert floor is not None
        rows.append(story.never_below(stage, name, floor, f"{name} stays above its floor"))
        rows.append(judge.no_harm(scene, f"{name}: no distress", judge.harm(record, name)))
    return rows


def killed(stage: Stage) -> list[Row]:
    """nova-compute is killed while a guest grows, and started again."""
    web, scene = "web", stage.scene
    layout, compute = stage.cloud.layout, stage.compute
    stage.create(web, LIGHT.name)
    first = stage.rest(web)
    if first is None:
        return [story.rest(scene, first)]
    # So slowly that the guest has enough until a service has started.
    taken = 700
    stage.load(web, Load(burners=4, memory_mb=taken, memory_rate=10))
    stage.cloud.wait("a claim", lambda: stage.cloud.claimed(stage.id(web)) != first)
    faults.kill(layout, compute.daemon("nova-compute"))
    stage.recording.mark(web, "nova-compute killed")
    rows = [stage.rules()]
    lifecycle.start_compute(layout, compute)
    at = stage.recording.mark(web, "nova-compute started")
    stage.wait("more vCPUs", web, judge.has_vcpus(2))
    more = judge.took(stage.record, web, at, judge.has_vcpus(2))
    rows += judge.within(scene, "a killed growth is finished", more, ALL_SECONDS)
    has_it = stage.wait("the memory", web, lambda one: one.taken_mb == taken, 2 * STEP_SECONDS)
    measured = "it has it" if has_it else "it does not get it"
    return [
        *rows,
        Row(scene, f"growth goes on: {taken} MiB are taken", measured, has_it),
        judge.no_harm(scene, "no distress", judge.harm(stage.record, web)),
        story.never_below(stage, web, first, "nothing shrinks"),
    ]


def person(stage: Stage) -> list[Row]:
    """A person asks for a size while a guest grows, and later for no more automatic growth."""
    web, scene, asked = "web", stage.scene, Size(3, 2048)
    stage.create(web, LIGHT.name)
    first = stage.rest(web)
    if first is None:
        return [story.rest(scene, first)]
    stage.load(web, Load(burners=4))
    stage.cloud.wait("a claim", lambda: stage.cloud.claimed(stage.id(web)) != first)
    answer = stage.ask(
        web,
        f"a person asks for {asked}",
        current_vcpus=asked.vcpus,
        current_memory_mb=asked.memory_mb,
    )
    rows = [story.answered(scene, f"a person asks for {asked} in the middle", answer)]
    has_it = stage.wait("that size", web, lambda one: story.covers(one.libvirt, asked))
    rows.append(Row(scene, "the server has it", str(has_it), has_it))
    at = stage.load(web, IDLE, "idle")
    stage.watch(HOLD_SECONDS - 10)
    rows.append(story.never_below(stage, web, asked, f"it keeps that for {HOLD_SECONDS} s", at))
    rows.append(story.answered(scene, "autoscale: off", stage.ask(web, "off", autoscale="off")))
    at = stage.load(web, Load(memory_mb=asked.memory_mb - 500, memory_rate=RATE_MB))
    stage.watch(STILL_SECONDS)
    return [*rows, story.still(stage, web, at, "then nothing changes by itself")]


def observe(stage: Stage) -> list[Row]:
    """It is decided what would be done for a busy guest, and nothing is done."""
    web, scene = "web", stage.scene
    stage.create(web, LIGHT.name)
    first = stage.rest(web)
    if first is None:
        return [story.rest(scene, first)]
    answer = stage.ask(web, "observe", autoscale="observe")
    rows = [story.answered(scene, "autoscale: observe", answer)]
    at = stage.load(web, Load(burners=4, memory_mb=150, memory_rate=50))
    stage.wait("a recommendation", web, lambda one: story.is_advised_more(one, first))
    stage.watch(STILL_SECONDS)
    advised = {
        one.advice.size
        for when, one in judge.seen(stage.record, web)
        if when >= at and one.advice is not None and story.is_advised_more(one, first)
    }
    measured = ", ".join(str(size) for size in sorted(advised, key=str)) or "nothing"
    rows.append(Row(scene, f"more than {first} is recommended", measured, bool(advised)))
    return [*rows, story.still(stage, web, at, "nothing changes")]


def cache(stage: Stage) -> list[Row]:
    """A guest reads so much from its disk that its page cache fills all the memory that it has."""
    web, scene, read_mb, asked_mb = "web", stage.scene, 1000, 768
    stage.create(web, LIGHT.name)
    if stage.rest(web) is None:
        return [story.rest(scene, None)]
    # So that its reserve is there: a kernel's watermarks are no longer usable once cache fills the
    # rest, and a guest that has little besides would need more in earnest.
    stage.ask(web, f"a person asks for {asked_mb} MiB", current_memory_mb=asked_mb)
    first = stage.rest(web)
    if first is None:
        return [story.rest(scene, first)]
    at = stage.load(web, Load(cache_mb=read_mb, cache_rate=50))
    guest = stage.guests[web]
    stage.cloud.wait("the disk to be read", lambda: story.cached(guest.report()) >= read_mb, 120)
    stage.watch(5)
    read = story.cached(guest.report())
    grown = [one for one in judge.changes(stage.record, web) if one.resource == "memory_mb"]
    grown = [one for one in grown if one.at >= at]
    measured = ", ".join(f"{one.before} to {one.after} MiB" for one in grown) or "no change"
    return [
        Row(scene, "it reads more than it has", f"{read} MiB", read > first.memory_mb),
        Row(scene, "cache is no need: no more memory", measured, not grown),
        judge.no_harm(scene, "no distress", judge.harm(stage.record, web, at)),
    ]


def build(stage: Stage) -> list[Row]:
    """A guest compiles: bursts of CPU and memory, of seconds each."""
    web, scene = "web", stage.scene
    stage.create(web, LIGHT.name)
    first = stage.rest(web)
    if first is None:
        return [story.rest(scene, first)]
    at = stage.load(web, Load(jobs=2, job_mb=60))
    stage.watch(45)
    report = stage.guests[web].report()
    files = 0 if report is None else report.files
    changes = [one for one in judge.changes(stage.record, web) if one.at >= at]
    grown = stage.wait("more vCPUs", web, judge.has_vcpus(2))
    return [
        Row(scene, "files are compiled", f"{files} files", files > 0),
        Row(scene, "two jobs have two vCPUs", str(grown), grown),
        judge.no_harm(scene, "no distress", judge.harm(stage.record, web, at)),
        Row(
            scene,
            f"at most {MOST_CHANGES} changes",
            str(len(changes)),
            len(changes) <= MOST_CHANGES,
        ),
        story.no_flap(stage, web),
    ]


SCENES: Mapping[str, Scene] = {
    "day": day,
    "cache": cache,
    "build": build,
    "full-host": full_host,
    "killed": killed,
    "person": person,
    "observe": observe,
}


def play(stage: Stage) -> list[Row]:
    """Play the scene of a stage, and return its rows, with those of every scene."""
    rows = SCENES[stage.scene](stage)
    return [*rows, *judge.always(stage.record), stage.rules()]
