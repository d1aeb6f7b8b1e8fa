"""Makes a balloon driver that never reports statistics, of the kernel's own module.

The driver drops some features that it has been offered before it uses the device
(``virtballoon_validate``): the code there has a 64-bit mask without their bits. Without bit 1 too
(VIRTIO_BALLOON_F_STATS_VQ of the virtio specification) the driver moves its balloon as always, and
has no queue for statistics. It has to do without bit 5 as well (VIRTIO_BALLOON_F_REPORTING): Linux
numbers the queues that it has, so it would report free pages on the queue where QEMU takes
statistics, and QEMU would note the time of a report.
"""

import re
import struct

SILENCED = 1 << 1 | 1 << 5
# VIRTIO_F_ACCESS_PLATFORM, and VIRTIO_RING_F_INDIRECT_DESC in the kernels that drop that too.
DROPPED = (1 << 33 | 1 << 28, 1 << 33)
EVERYTHING = (1 << 64) - 1

# The end of a signed module: a structure of twelve bytes whose last four are the signature's
# length (big-endian), and this text. The signature is before the structure.
SIGNED = b"~Module signature appended~\n"
STRUCTURE_BYTES = 12


def made_of(module: bytes) -> bytes | None:
    """Return the module ``virtio_balloon`` that reports nothing, and without its signature.

    The kernel refuses a signature that does not fit, and loads a module that has none.

    :returns: None if the module's code does not have such a mask exactly once, as that of another
        kernel may not
    """
    for dropped in DROPPED:
        # movabs, which loads a number of 64 bits into a register (x86-64).
        mask = struct.pack("<Q", EVERYTHING & ~dropped)
        found = list(re.finditer(rb"\x48[\xb8-\xbf]" + re.escape(mask), module))
        if len(found) == 1:
            place = found[0].end() - len(mask)
            without = struct.pack("<Q", EVERYTHING & ~(dropped | SILENCED))
            return _unsigned(module[:place] + without + module[place + len(mask) :])
    return None


def _unsigned(module: bytes) -> bytes:
    if not module.endswith(SIGNED):
        return module
    content = module[: -len(SIGNED)]
    (signature_bytes,) = struct.unpack(">I", content[-4:])
    return content[: len(content) - STRUCTURE_BYTES - signature_bytes]
