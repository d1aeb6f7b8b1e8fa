"""The sizes that the tests are about, and how a server gets them."""

from lab.cloud import Cloud, Size, Witnesses

MINIMUM = Size(1, 512)
GROWN = Size(3, 768)
# As long as the guest runs, and not over a stop.
FOR_NOW = Size(4, 1024)


def agreed(size: Size) -> Witnesses:
    return Witnesses(size, size, size)


def settle(cloud: Cloud, server: str, size: Size) -> None:
    """All three witnesses say so."""
    assert cloud.settle(server, agreed(size)) == agreed(size)


def held(cloud: Cloud, **on: Size) -> None:
    """What Placement holds on each host for all; Nova releases some after it has said that it is
    done."""
    cloud.wait(f"{on} to be held", lambda: {host: cloud.used(host) for host in on} == on)


def told(cloud: Cloud, server: str, **conditions: str) -> None:
    """The conditions that are true of a server, with their reasons; written when the guest has what
    is desired, and a moment later."""
    cloud.wait(f"{conditions} to be told", lambda: cloud.conditions(server) == conditions)


def converged(cloud: Cloud, server: str) -> None:
    """Nothing else is true of it."""
    told(cloud, server, Converged="xloud.converged")


def adjust(cloud: Cloud, server: str, size: Size, persist: bool = True) -> None:
    body = {"current_vcpus": size.vcpus, "current_memory_mb": size.memory_mb, "persist": persist}
    answer = cloud.adjust(server, body)
    assert answer.status == 202, answer
    settle(cloud, server, size)


def grow(cloud: Cloud, server: str) -> None:
    """From what it boots with to GROWN."""
    settle(cloud, server, MINIMUM)
    adjust(cloud, server, GROWN)
