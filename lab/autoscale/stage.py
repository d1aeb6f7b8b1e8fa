# SPDX-License-Identifier: Apache-2.0
"""What a scene is played on: one host, its recording, and servers whose guests have a load."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from lab import contents
from lab.autoscale import judge
from lab.autoscale.driver import GuestLoad
from lab.autoscale.judge import Row
from lab.autoscale.recorder import Recorder, recorder
from lab.autoscale.sample import Record, Server
from lab.checker import Checker
from lab.cloud import Answer, Cloud
from lab.errors import NotSettled
from lab.guest.load import Load
from lab.guest_stories.judge import broken_rules
from lab.layout import Compute
from lab.witnesses import Size

# Options of [xloud] of the host on which scenes are played: a profile of minutes.
INTERVAL_SECONDS = 1
WINDOW_SECONDS = 60
HOLD_SECONDS = 60
OPTIONS: Mapping[str, object] = {
    "autoscale_interval": INTERVAL_SECONDS,
    "autoscale_window": WINDOW_SECONDS,
    "autoscale_hold": HOLD_SECONDS,
    # A day of a minute has as many changes as one of hours.
    "autoscale_cap": 30,
    # Without KVM a balloon of some GiB takes so long.
    "boot_grace": 30,
}

# A server is at rest when nothing about its size has changed in so many samples.
REST_SAMPLES = 6
REST_SECONDS = 120.0
STEP_SECONDS = 60.0


@dataclass
class Stage:
    """One host while a scene is played on it.

    :ivar cloud: the cloud as its administrator sees it
    :ivar compute: the host
    :ivar guests: the loads of the guests, by the names of their servers
    """

    scene: str
    cloud: Cloud
    checker: Checker
    compute: Compute
    recording: Recorder
    guests: dict[str, GuestLoad] = field(default_factory=dict)

    @property
    def record(self) -> Record:
        """All that was recorded so far."""
        return self.recording.record

    def create(self, name: str, flavor: str, image: str = contents.LOAD_IMAGE) -> None:
        """Create a server on the host, and wait until its guest's load has reported."""
        self.cloud.delete_named(_named(name))
        server = self.cloud.create(_named(name), flavor, image, self.compute.hostname)
        self.recording.servers[name] = server
        self.guests[name] = GuestLoad(self.cloud, server)
        self.guests[name].booted()

    def id(self, name: str) -> str:
        """Return the id of a server."""
        return self.recording.servers[name]

    def load(self, name: str, wanted: Load, text: str = "") -> float:
        """Give a server's guest another load, and wait for its answer.

        :returns: seconds since the recording began, of the moment before it was sent
        """
        at = self.recording.mark(name, text or wanted.words())
        self.guests[name].set(wanted)
        return at

    def ask(self, name: str, text: str, **body: object) -> Answer:
        """Send a person's request for a server, and return the answer."""
        self.recording.mark(name, text)
        return self.cloud.adjust(self.id(name), body)

    def wait(
        self,
        what: str,
        name: str,
        wanted: Callable[[Server], object],
        seconds: float = STEP_SECONDS,
    ) -> bool:
        """Wait for a sample in which a server is as wanted; return whether there was one."""
        since = self.recording.now

        def reached() -> bool:
            last = self.recording.last
            return (
                last is not None
                and last.at >= since
                and name in last.servers
                and bool(wanted(last.servers[name]))
            )

        try:
            return self.cloud.wait(what, reached, seconds)
        except NotSettled:
            return False

    def rest(self, name: str, seconds: float = REST_SECONDS) -> Size | None:
        """Wait until a server's size does not change any more, and return the size.

        :returns: None if it still changes when the time is over
        """
        since = self.recording.now

        def resting() -> Size | None:
            return judge.resting(self.record, name, since, REST_SAMPLES)

        try:
            return self.cloud.wait(f"{name} to be at rest", resting, seconds)
        except NotSettled:
            return None

    def watch(self, seconds: float) -> None:
        """Let samples be taken for so many seconds."""
        until = self.recording.now + seconds
        self.cloud.wait("samples", lambda: self.recording.now >= until, seconds + STEP_SECONDS)

    def delete_servers(self) -> None:
        """Delete the servers of the scene."""
        for name in self.recording.servers:
            self.cloud.delete_named(_named(name))

    def rules(self) -> Row:
        """Check every invariant of the cloud now, with the command for it, and return the row."""
        verdict = self.checker.ask("--format", "json")
        broken = broken_rules(json.loads(verdict.text)) if verdict.code else ""
        promised = "nova-xloud-status invariants: no rule is broken"
        return Row(self.scene, promised, broken or "none is", not broken)


@contextmanager
def stage(scene: str, cloud: Cloud, checker: Checker, compute: Compute) -> Iterator[Stage]:
    """Have a stage for a scene while the block lasts; its servers are deleted then.

    The host's nova-compute has to run with ``OPTIONS``.
    """
    with recorder(cloud.layout, compute, scene) as recording:
        made = Stage(scene, cloud, checker, compute, recording)
        try:
            yield made
        finally:
            made.delete_servers()


def _named(name: str) -> str:
    return f"xloud-autoscale-{name}"
