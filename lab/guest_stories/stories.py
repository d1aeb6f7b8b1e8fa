"""What is done with each kind of guest, what its user sees then, and what settles it."""

import time
from collections.abc import Callable, Mapping

from lab.cloud import Size, Witnesses
from lab.guest_stories.kinds import MINIMUM
from lab.guest_stories.tale import Tale

TWO = Size(2, 512)
PAUSED_SECONDS = 125.0
# nova-xloud tries again a minute after it was refused, and the guest is to be waited for before.
RETRY_SECONDS = 120.0


def no_driver(tale: Tale) -> None:
    reason = "xloud.guest_refused.no_statistics"
    tale.adjust("--vcpus 2 --memory 640", code=5, says=reason)
    tale.true(GuestRefused=reason, BalloonNotEffective="xloud.balloon.no_driver")
    tale.claimed(Size(2, 1024))
    tale.event("Error", says="does not report how much memory the guest uses")
    tale.show(says=reason)
    tale.adjust("--memory 1024")
    tale.converged(Size(2, 1024))


def silent_driver(tale: Tale) -> None:
    not_confirmed = "xloud.balloon.not_confirmed"
    refused = "xloud.guest_refused.no_statistics"
    # While the balloon is still filling, 768 MiB would be a smaller size.
    tale.sizes(Witnesses(Size(1, 1024), MINIMUM, MINIMUM))
    tale.adjust("--memory 768", says="set; the guest's balloon driver does not report")
    tale.adjust("--memory 640", code=5, says=refused)
    tale.true(GuestRefused=refused, BalloonNotEffective=not_confirmed)
    tale.adjust("--memory 640 --force", says="set; the guest's balloon driver does not report")
    tale.true(Converged="xloud.converged", BalloonNotEffective=not_confirmed)
    tale.sizes(Witnesses(Size(1, 1024), Size(1, 640), Size(1, 640)))
    tale.show(says=not_confirmed)
    tale.adjust("--memory 1024")
    tale.converged(Size(1, 1024))


def driver_unloaded(tale: Tale) -> None:
    refused = "xloud.guest_refused.no_statistics"
    tale.adjust("--memory 768")
    tale.acts_past_nova = True
    tale.adjust("--memory 512")
    tale.comment("a moment later the guest unloads its driver")
    tale.claimed(Size(1, 1024))
    tale.true(GuestRefused=refused, BalloonNotEffective="xloud.balloon.no_driver")
    tale.show(says="xloud.balloon.no_driver")
    tale.reboot_hard()
    tale.converged(MINIMUM)


def takes_memory_back(tale: Tale) -> None:
    tale.adjust("--memory 768")
    tale.acts_past_nova = True
    tale.adjust("--memory 512")
    tale.comment("a moment later the guest takes its memory back")
    tale.claimed(Size(1, 1024))
    tale.told("BalloonNotEffective")
    tale.show(says="BalloonNotEffective: True")
    tale.comment("45 s after it went, the guest's driver is there again")
    tale.sizes(Witnesses(MINIMUM, MINIMUM, MINIMUM), RETRY_SECONDS)
    tale.converged(MINIMUM)
    tale.show(says="| state      | converged")


def dies_shrinking(tale: Tale) -> None:
    tale.adjust("--memory 1024")
    tale.adjust("--memory 512", code=5, says="xloud.guest_refused.")
    tale.event("Error")
    tale.told("GuestSilent")
    tale.show(says="xloud.guest_silent.low_memory")
    tale.reboot_hard()
    tale.converged(MINIMUM)


def reboots_shrinking(tale: Tale) -> None:
    tale.adjust("--memory 1024")
    tale.adjust("--memory 512")
    tale.event("Success")
    tale.converged(MINIMUM)
    tale.show(says="| state      | converged")


def paused(tale: Tale) -> None:
    def pause() -> None:
        # Without a look at the server, which would take too long.
        tale.cloud.wait("the request to be admitted", lambda: _desired(tale) == MINIMUM)
        tale.operations.pause(tale.server)
        tale.comment(f"openstack server pause {tale.server_name}")
        until = time.monotonic() + PAUSED_SECONDS
        while time.monotonic() < until:
            tale.look_closely()
            time.sleep(5)
        tale.operations.unpause(tale.server)
        tale.comment(f"two minutes later: openstack server unpause {tale.server_name}")

    tale.adjust("--vcpus 6 --memory 1024")
    tale.adjust("--vcpus 1 --memory 512", says="waiting: ", meanwhile=pause)
    tale.event("Success")
    tale.converged(MINIMUM)


def _desired(tale: Tale) -> Size:
    told = tale.cloud.xloud_status(tale.server).body["xloud_status"]
    return Size(told["vcpus"]["desired"], told["memory_mb"]["desired"])


def cpus_offline(tale: Tale) -> None:
    tale.adjust("--vcpus 3 --memory 768", says="no guest agent answers to confirm it")
    tale.converged(Size(3, 768), online=1)
    tale.show(says="observed unknown")
    tale.adjust("--vcpus 1 --memory 512")
    tale.converged(MINIMUM)


def slow_removal(tale: Tale) -> None:
    tale.adjust("--vcpus 2")
    tale.adjust("--vcpus 1")
    tale.event("Success")
    tale.converged(MINIMUM)


def very_slow_removal(tale: Tale) -> None:
    tale.adjust("--vcpus 2")
    _not_removed(tale)
    tale.comment("40 s after the request the guest gives the vCPU back")
    tale.sizes(Witnesses(MINIMUM, MINIMUM, MINIMUM), RETRY_SECONDS)
    tale.converged(MINIMUM)
    tale.show(says="| state      | converged")


def refuses_removal(tale: Tale) -> None:
    tale.adjust("--vcpus 2")
    _not_removed(tale)
    tale.reboot_hard()
    tale.converged(MINIMUM)


def _not_removed(tale: Tale) -> None:
    """Ask for one vCPU of two, which the guest keeps, and for three, which is refused then."""
    reason, unsettled = "xloud.guest_refused.vcpus_not_removed", "xloud.blocked.removal_unsettled"
    tale.adjust("--vcpus 1", code=5, says=reason)
    tale.true(GuestRefused=reason, RemovalUnsettled=unsettled)
    tale.run("server", "adjust", tale.server_name, "--vcpus", "3", code=3)
    tale.claimed(TWO)
    tale.show(says=unsettled)
    tale.event("Error", says="stays claimed")


def acpi_off(tale: Tale) -> None:
    reason = "xloud.guest_refused.vcpus_not_removed"
    tale.adjust("--vcpus 2 --memory 768", says="no guest agent answers to confirm it")
    tale.converged(Size(2, 768), online=1)
    tale.adjust("--vcpus 1 --memory 512", code=5, says=reason)
    tale.true(GuestRefused=reason, RemovalUnsettled="xloud.blocked.removal_unsettled")
    tale.sizes(Witnesses(TWO, TWO, MINIMUM))
    tale.show(says=reason)
    tale.reboot_hard()
    tale.converged(MINIMUM)


def agent_lies(tale: Tale) -> None:
    reason = "xloud.guest_refused.vcpus_not_online"
    tale.adjust("--vcpus 3 --memory 768", code=5, says=reason)
    tale.true(GuestRefused=reason, CpusNotOnline="xloud.cpus_not_online")
    tale.sizes(Witnesses(Size(3, 768), Size(3, 768), Size(3, 768)))
    tale.event("Error")
    tale.show(says="xloud.cpus_not_online")
    tale.adjust("--vcpus 1 --memory 512")
    tale.converged(MINIMUM)


def agent_is_no_help(tale: Tale) -> None:
    tale.adjust("--vcpus 3 --memory 768", says="set; ")
    tale.converged(Size(3, 768))
    tale.show(says="observed unknown")
    tale.adjust("--vcpus 1 --memory 512")
    tale.converged(MINIMUM)


STORIES: Mapping[str, Callable[[Tale], None]] = {
    "no-driver": no_driver,
    "silent-driver": silent_driver,
    "driver-unloaded": driver_unloaded,
    "takes-memory-back": takes_memory_back,
    "dies-shrinking": dies_shrinking,
    "reboots-shrinking": reboots_shrinking,
    "paused": paused,
    "cpus-offline": cpus_offline,
    "slow-removal": slow_removal,
    "very-slow-removal": very_slow_removal,
    "refuses-removal": refuses_removal,
    "acpi-off": acpi_off,
    "agent-lies": agent_lies,
    "agent-hangs": agent_is_no_help,
    "agent-errors": agent_is_no_help,
}
