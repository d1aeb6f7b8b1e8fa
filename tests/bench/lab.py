"""The lab for those measures that need a real cloud."""

import libvirt

from lab import hypervisor, layout, lifecycle
from lab.cloud import Cloud


def up(stack):
    """Bring the lab up with the code of this checkout, once; it is taken down at the end of
    ``stack`` if it was not up before.

    :return: the versions of its libvirt and its QEMU
    """
    lab = layout.load()
    if not lifecycle.is_up(lab):
        stack.callback(lambda: lifecycle.down(layout.load()))
    lab = lifecycle.up(lab)
    connection = libvirt.open(hypervisor.connect_uri(lab.computes[0]))
    try:
        return tuple(map(_dotted, (connection.getLibVersion(), connection.getVersion())))
    finally:
        connection.close()


def cloud():
    """The lab's cloud, as its administrator sees it."""
    return Cloud(layout.load())


def _dotted(version):
    """libvirt's 1000000 * major + 1000 * minor + release, for people."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
