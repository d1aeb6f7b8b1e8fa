"""The command ``lab/run promise``: sequences in which the main invariant is hard to keep.

The invariant: ``reserved`` is never less than what the guest has or may start with. Each sequence
prints the sizes after each operation, and does not check them. Tests in tests/e2e check the same
sequences: test_definitions.py, test_locked_memory.py, test_patience.py.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from lab import contents, lifecycle
from lab.cloud import Answer, Cloud, Size
from lab.errors import LabError
from lab.layout import Layout
from lab.operations import Operations

SERVER = "xloud-promise"
PAUSED_SECONDS = 130
WATCH_SECONDS = 45.0
ROW = "  {:>6}  {:<44}  {:<10}  {:<10}  {:<10}  {:<10}  {}"
SMALL, TWO, FOUR = Size(1, 512), Size(2, 512), Size(4, 512)


class Story:
    """A sequence of operations on one server, which prints a row of sizes after each of them."""

    def __init__(self, cloud: Cloud, title: str, flavor: str, image: str = contents.IMAGE) -> None:
        print(f"\n{title}\n")
        print(ROW.format("s", "", "Placement", "libvirt", "starts as", "guest", "conditions"))
        self.cloud = cloud
        self.began = time.monotonic()
        self.server = cloud.create(SERVER, flavor, image, cloud.layout.computes[0].hostname)
        self.watch("create", SMALL)

    def row(self, title: str) -> None:
        cloud, server = self.cloud, self.server
        said = cloud.witnesses(server)
        sizes = (said.placement, said.libvirt, cloud.configured(server), said.guest)
        conditions = ", ".join(sorted(cloud.conditions(server)))
        seconds = f"{time.monotonic() - self.began:.1f}"
        print(ROW.format(seconds, title, *map(str, sizes), conditions), flush=True)

    def watch(self, title: str, claim: Size, seconds: float = WATCH_SECONDS) -> None:
        """Wait until Placement, libvirt and the guest report ``claim``, and print a row.

        The server has to have the condition Converged too. The row is printed after ``seconds`` in
        any case.
        """
        cloud, until = self.cloud, time.monotonic() + seconds
        while time.monotonic() < until:
            said = cloud.witnesses(self.server)
            if said.all_say(claim) and "Converged" in cloud.conditions(self.server):
                break
            time.sleep(0.25)
        self.row(title)

    def ask(self, size: Size, persist: bool = True) -> Answer:
        body = {"current_vcpus": size.vcpus, "current_memory_mb": size.memory_mb}
        answer = self.cloud.adjust(self.server, {**body, "persist": persist})
        kept = "" if persist else ", persist: false"
        self.row(f"adjust to {size}{kept}: {answer.status}")
        return answer

    def end(self, answer: Answer) -> None:
        """Wait until the instance action of the request has ended, and print its events.

        :param answer: the answer to the request
        :raises NotSettled: it has not ended in time
        """
        request = answer.headers["x-openstack-request-id"]
        outcomes = self.cloud.wait(
            f"the instance action of {request} to end",
            lambda: [one for one in self.cloud.outcomes(self.server, request) if one[0]],
            WATCH_SECONDS,
        )
        for result, details in outcomes:
            print(f"          the instance action has ended: {result}. {details}".rstrip())


def run(layout: Layout, names: Sequence[str] = ()) -> int:
    """Run some of the sequences.

    :param names: keys of ``STORIES``; empty: all of them
    :returns: 0; 1 if an operation of a sequence fails, and then no further sequence is run
    """
    cloud = Cloud(layout)
    operations = Operations(cloud)
    for name in names or STORIES:
        cloud.delete_named(SERVER)
        try:
            STORIES[name](cloud, operations)
        except LabError as error:
            print(f"  {error}")
            return 1
        finally:
            cloud.delete_named(SERVER)
    return 0


def definition(cloud: Cloud, operations: Operations) -> None:
    story = Story(
        cloud, "The size to start with next is claimed, and corrected", contents.DEMO.name
    )
    story.ask(FOUR)
    story.watch("after waiting for that size", FOUR)
    for persist in (False, True):
        story.ask(TWO, persist)
        time.sleep(5)
        story.row("5 s later")
    operations.soft_reboot(story.server)
    story.watch("after a soft reboot", TWO)
    story.ask(Size(4, 1024), persist=False)
    story.watch("after waiting for that size", Size(4, 1024))
    there = cloud.layout.computes[1].hostname
    for title, do in (
        (f"live migrated to {there}", partial(operations.live_migrate, story.server, there)),
        ("rescued", partial(operations.rescue, story.server)),
        ("unrescued", partial(operations.unrescue, story.server)),
    ):
        do()
        story.watch(title, TWO, 20)


def rescue(cloud: Cloud, operations: Operations) -> None:
    title = "A rescue image that would lock all memory is refused"
    story = Story(cloud, title, contents.DEMO.name)
    story.ask(Size(2, 768))
    story.watch("after waiting for that size", Size(2, 768))
    answer = cloud.act(story.server, "rescue", operations.from_image("xloud-locked"))
    print(f"          rescue with the image xloud-locked: {answer.status} {answer.message}")
    story.row("after the refusal")


def slow_removal(cloud: Cloud, operations: Operations) -> None:
    title = "A guest that gives a vCPU back after 8 s; libvirt waits for 5"
    story = Story(cloud, title, contents.DEMO.name, "xloud-slow-removal")
    story.ask(TWO)
    story.watch("after waiting for that size", TWO)
    answer = story.ask(SMALL)
    time.sleep(6)
    story.row("6 s later")
    story.watch("after waiting for that size", SMALL)
    story.end(answer)


def no_room(cloud: Cloud, operations: Operations) -> None:
    title = "A guest that uses what it was given, and cannot give it back; give_up_after = 2"
    layout = cloud.layout
    with lifecycle.with_option(layout, layout.computes[0], "give_up_after", 2):
        story = Story(cloud, title, contents.DEMO.name, "xloud-hungry")
        story.ask(Size(1, 1024))
        story.watch("after waiting for that size", Size(1, 1024))
        time.sleep(15)
        story.end(story.ask(SMALL))
        story.row("refused once")
        cloud.wait("the condition GaveUp", lambda: "GaveUp" in cloud.conditions(story.server))
        story.row("given up")
    told = cloud.xloud_status(story.server).body["xloud_status"]
    print(f"          memory_mb: {told['memory_mb']}")
    for condition in told["conditions"]:
        if condition["status"] is True:
            print(f"          {condition['type']}: {condition['message']}")


def long_pause(cloud: Cloud, operations: Operations) -> None:
    title = f"Paused for {PAUSED_SECONDS} s, and then made smaller at once"
    story = Story(cloud, title, contents.DEMO.name)
    story.ask(Size(3, 768))
    story.watch("after waiting for that size", Size(3, 768))
    operations.pause(story.server)
    time.sleep(PAUSED_SECONDS)
    story.row(f"paused for {PAUSED_SECONDS} s")
    operations.unpause(story.server)
    answer = story.ask(SMALL)
    story.watch("after waiting for that size", SMALL)
    story.end(answer)


STORIES: Mapping[str, Callable[[Cloud, Operations], None]] = {
    "definition": definition,
    "rescue": rescue,
    "slow-removal": slow_removal,
    "no-room": no_room,
    "long-pause": long_pause,
}
