"""The lab for those measures that need a real cloud, and what of it is made for them alone."""

import contextlib

import libvirt

from lab import contents, guest, hypervisor, layout, lifecycle
from lab.cloud import Cloud, Witnesses

IMAGE = "xloud-bench"
# Of the guests that are measured: how many seconds after a look they look again, and that their
# kernel writes nothing into the lines that they print.
_LOOK = ("xloud.look=0.2", "quiet")
# Seconds after its start in which a guest's memory is not claimed yet.
_BOOT_SECONDS = 90


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


@contextlib.contextmanager
def server(its_cloud, ram, boots_with):
    """A settled server on the first host, of a flavor of its own; both are deleted at the end.

    :param ram: the flavor's, MiB; its vCPUs are 32, as those of all flavors of the lab
    :param boots_with: its minimum, a ``lab.witnesses.Size``
    """
    name = f"xloud.bench.{ram}"
    compute = its_cloud.connection.compute
    _delete_flavor(compute, name)
    flavor = compute.create_flavor(name=name, vcpus=contents.DEMO.vcpus, ram=ram, disk=1)
    minimums = {"minimum_cpu": boots_with.vcpus, "minimum_memory": boots_with.memory_mb}
    compute.create_flavor_extra_specs(flavor, {key: str(one) for key, one in minimums.items()})
    _ensure_image(its_cloud.connection)
    try:
        made = its_cloud.create(name, name, IMAGE, its_cloud.layout.computes[0].hostname)
        expected = Witnesses(boots_with, boots_with, boots_with)
        if its_cloud.settle(made, expected, _BOOT_SECONDS) != expected:
            raise RuntimeError(f"server {made} does not settle at {boots_with}")
        yield made
    finally:
        its_cloud.delete_named(name)
        _delete_flavor(compute, name)


def _ensure_image(connection):
    """The usual guest, which looks more often."""
    usual = connection.image.find_image(contents.IMAGE, ignore_missing=False)
    properties = {
        "kernel_id": contents.property_of(usual, "kernel_id"),
        "ramdisk_id": contents.property_of(usual, "ramdisk_id"),
        "os_command_line": guest.command_line("cooperative", *_LOOK),
    }
    known = connection.image.find_image(IMAGE)
    if known is not None:
        connection.image.update_image(known, **properties)
        return
    connection.create_image(
        IMAGE,
        data=bytes(contents.DISK_BYTES),
        disk_format="raw",
        container_format="bare",
        allow_duplicates=True,
        validate_checksum=False,
        use_import=False,
        **properties,
    )


def _delete_flavor(compute, name):
    found = compute.find_flavor(name)
    if found is not None:
        compute.delete_flavor(found)


def _dotted(version):
    """libvirt's 1000000 * major + 1000 * minor + release, for people."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
