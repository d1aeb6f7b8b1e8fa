"""How much may be left of a load: the bounds, each with its reason.

docs/contribute/soak.md has the reasons in full.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from lab.soak.rows import ADJUSTMENT_EVENTS, ADJUSTMENTS
from lab.soak.tally import Done

# The services with nova-xloud, and Placement, which its requests load.
JUDGED = ("nova-api", "nova-conductor", "nova-scheduler", "nova-compute", "placement")
# These run no code of nova-xloud, and are printed for comparison.
COMPARED = ("libvirtd", "keystone", "rabbitmq")

# A pool of threads makes another one when all are busy, and keeps it: so many more may come after
# the warm-up, where more requests come together than before. Each may have its own connection.
MORE_THREADS = 8
MORE_DESCRIPTORS = 12

# Memory may grow in the second half of a run by so much a minute, or by the least of a few arenas:
# CPython takes memory from the system in pieces of 1 MiB, and glibc in pieces for each thread, and
# both keep a piece in which one object is left.
MEMORY_MB_A_MINUTE = 0.4
MEMORY_MB_AT_LEAST = 4.0
# With fewer samples in the second half, chance decides: nothing is judged.
FEWEST_SAMPLES = 8

# The logs may grow faster in the second half than in the first by this factor.
LOG_FACTOR = 1.5

# The keys of a record (nova_xloud.core.instance.desired): 16, a condition of each of the six types
# that are recorded, and the last ten adjustments. A resize has as many again until it is confirmed,
# without the adjustments; the load has none.
RECORD_KEYS = 32
# Names of keys have up to 36 characters, and values up to 255.
KEY_BYTES = 36 + 255


@dataclass(frozen=True)
class Each:
    """How many rows a table may have more than at the start.

    :ivar living: for each server that exists
    :ivar server: for each server that was ever created
    :ivar action: for each operation of Nova
    :ivar adjustment: for each admitted adjustment
    :ivar move: for each live migration
    :ivar scaled: for each server that was ever created that scales by itself
    :ivar fixed: once
    """

    living: int = 0
    server: int = 0
    action: int = 0
    adjustment: int = 0
    move: int = 0
    scaled: int = 0
    fixed: int = 0

    def most(self, done: Done, living: int) -> int:
        """Return how many rows that makes."""
        return (
            self.fixed
            + self.living * living
            + self.server * done.servers
            + self.action * done.actions
            + self.adjustment * done.adjustments
            + self.move * done.moves
            + self.scaled * done.scaled
        )

    def __str__(self) -> str:
        names = {
            "living": "server that exists",
            "server": "server created",
            "action": "operation",
            "adjustment": "adjustment",
            "move": "move",
            "scaled": "server created that scales by itself",
        }
        said = [f"{n} a {name}" for field, name in names.items() if (n := getattr(self, field))]
        return " + ".join([*said, *([f"{self.fixed}"] if self.fixed else [])]) or "none more"


# Tables that are not named here may have no more rows than at the start. What is for each server
# created stays until `nova-manage db archive_deleted_rows`: Nova marks rows as deleted.
ROWS: Mapping[str, Each] = {
    "nova.instances": Each(server=1),
    "nova.instance_extra": Each(server=1),
    "nova.instance_info_caches": Each(server=1),
    "nova.instance_id_mappings": Each(server=1),
    "nova.block_device_mapping": Each(server=1),
    # The two that show the minimums to people.
    "nova.instance_metadata": Each(server=2),
    # Nova's copy of the image's properties, and the record.
    "nova.instance_system_metadata": Each(server=20 + RECORD_KEYS),
    "nova.instance_actions": Each(action=1),
    # An operation has up to two events, and a live migration some more.
    "nova.instance_actions_events": Each(action=2, move=8),
    # All that automatic growth requests for a server on one day is one action, with one event; and
    # midnight may be in a run.
    ADJUSTMENTS: Each(adjustment=1, scaled=2),
    ADJUSTMENT_EVENTS: Each(adjustment=1, scaled=2),
    "nova.migrations": Each(move=1),
    # One for each project; and a number for each image, kernel and ramdisk, of which Nova makes
    # several where several servers need the first one at once.
    "nova.security_groups": Each(fixed=2),
    "nova.s3_images": Each(fixed=16),
    "nova_api.instance_mappings": Each(server=1),
    "nova_api.request_specs": Each(server=1),
    # The project and the user of the first allocation.
    "placement.projects": Each(fixed=2),
    "placement.users": Each(fixed=2),
    "placement.consumers": Each(living=1),
    # VCPU, MEMORY_MB and DISK_GB.
    "placement.allocations": Each(living=3),
}

# What may be on the hosts for each server that exists, beside what was there at the start.
HOST: Mapping[str, int] = {
    "libvirt's definitions": 1,
    "running QEMUs": 1,
    "entries of instances/": 1,
    "files in instances/_base": 0,
    "files in instances/locks": 0,
    "files of nova-compute's state": 0,
    "lock files of Nova": 0,
    # Six sizes of vCPUs and of memory (one is what automatic growth recommends), ten conditions,
    # and the project.
    "series of servers in the metrics": 23,
    "other series of the metrics": 0,
}
# What Nova keeps once for each image, whatever is done afterwards: two images, the kernel and the
# ramdisk, their locks, and the folder and files that belong to the first server of all.
HOST_ONCE: Mapping[str, int] = {
    "entries of instances/": 3,
    "files in instances/_base": 4,
    "files in instances/locks": 8,
    "files of nova-compute's state": 2,
    "lock files of Nova": 3,
    # Two series on each of two hosts for each outcome with its code that has come up, of which this
    # load knows some thirty; and for each code of a decision of automatic growth, of which there
    # are forty at most.
    "other series of the metrics": 120 + 160,
}

# `[xloud] autoscale_journal_mb` of a soak run: what the journal may take on a compute host.
JOURNAL_MB = 1
# With one server a file of a quarter of that is full in four minutes, and on a busy machine later:
# a run that is shorter than this may put none away.
JOURNAL_MINUTES = 10
