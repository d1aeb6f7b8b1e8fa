"""The users, images and flavors that the lab's cloud has from the start.

They are created at the first ``up``. A later ``up`` changes the images and flavors that differ from
what this module says, such as an image's ramdisk after init.sh was edited.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import openstack
from openstack.connection import Connection

from lab import guest
from lab.guest.load import IDLE, swap_argument
from lab.layout import Layout
from lab.services import config

IMAGE = "xloud-guest"
# The load of these guests can be driven; the second one has swap.
LOAD_IMAGE = "xloud-load"
SWAP_IMAGE = "xloud-load-swap"
SWAP_MB = 512
DISK_BYTES = 1 << 20


@dataclass(frozen=True)
class Image:
    """An image of the lab.

    :ivar behaviour: how the guest behaves; :mod:`lab.guest` describes each behaviour
    :ivar agent: whether the guest has an agent
    :ivar more: further image properties
    """

    name: str
    behaviour: str = "cooperative"
    agent: bool = False
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def properties(self) -> dict[str, str]:
        """The image's properties in Glance by name, without its kernel and its ramdisk."""
        line = {"os_command_line": guest.command_line(self.behaviour), **self.more}
        return {**line, "hw_qemu_guest_agent": "yes"} if self.agent else line


IMAGES = (
    Image(IMAGE),
    Image("xloud-agent", "online-once", agent=True),
    Image("xloud-no-online", "no-online"),
    Image("xloud-no-online-agent", "no-online", agent=True),
    Image("xloud-no-removal", "no-removal"),
    Image("xloud-no-removal-agent", "no-removal", agent=True),
    Image("xloud-no-balloon", "no-balloon"),
    Image("xloud-silent-balloon", "silent-balloon"),
    Image("xloud-unloads-driver", "unloads-driver"),
    Image("xloud-takes-back", "takes-back"),
    Image("xloud-dies-shrinking", "dies-shrinking"),
    Image("xloud-reboots-shrinking", "reboots-shrinking"),
    Image("xloud-slow-removal", "slow-removal"),
    Image("xloud-very-slow-removal", "very-slow-removal"),
    Image("xloud-agent-lies", "agent-lies", agent=True),
    Image("xloud-agent-hangs", "agent-hangs", agent=True),
    Image("xloud-agent-errors", "agent-errors", agent=True),
    Image("xloud-hungry", "hungry"),
    Image(LOAD_IMAGE, more={"os_command_line": guest.command_line("cooperative", IDLE.argument())}),
    Image(
        SWAP_IMAGE,
        more={
            "os_command_line": guest.command_line(
                "cooperative", IDLE.argument(), swap_argument(SWAP_MB)
            )
        },
    ),
    # Its kernel panics at an NMI, which libvirt can send.
    Image(
        "xloud-panics",
        more={"os_command_line": guest.command_line("cooperative", "unknown_nmi_panic")},
    ),
    Image(
        "xloud-acpi-off",
        more={"os_command_line": guest.command_line("cooperative", "acpi=off")},
    ),
    Image("xloud-locked", more={"hw_mem_page_size": "small", "hw_locked_memory": "true"}),
)


@dataclass(frozen=True)
class Flavor:
    """A flavor of the lab; memory in MiB, disk in GiB."""

    name: str
    vcpus: int
    ram: int
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    disk: int = 1


# Without KVM, QEMU can be given only (maximum - boot) vCPUs from one start of a guest to the next:
# it counts those that it has ever had, and aborts (tcg_register_thread) at one more than the
# maximum. So the maximum is far above what anybody asks for.
DEMO = Flavor("xloud.demo", 32, 1024, {"minimum_cpu": "1", "minimum_memory": "512"})
# For the dashboard, where one sees how much of the maximum a server has.
WEB = Flavor("xloud.web", 16, 2048, {"minimum_cpu": "1", "minimum_memory": "512"})
# Servers that scale by themselves. The larger its maximum, the more memory stays usable in a guest,
# and the longer its balloon takes at boot.
AUTOSCALE = Flavor(
    "xloud.autoscale",
    4,
    4096,
    {"minimum_cpu": "1", "minimum_memory": "512", "xloud:autoscale": "on"},
)
# One of these is in every soak run (lab.soak). It grows and shrinks for an hour, so its maximum is
# the one of xloud.demo.
SOAK = replace(DEMO, name="xloud.soak", extra_specs={**DEMO.extra_specs, "xloud:autoscale": "on"})
AUTOSCALE_LARGE = replace(AUTOSCALE, name="xloud.autoscale.large", ram=8192)
AUTOSCALE_HEAVY = replace(
    AUTOSCALE,
    name="xloud.autoscale.heavy",
    extra_specs={**AUTOSCALE.extra_specs, "xloud:autoscale_weight": "300"},
)
FLAVORS = (
    DEMO,
    WEB,
    AUTOSCALE,
    AUTOSCALE_LARGE,
    AUTOSCALE_HEAVY,
    SOAK,
    # For a resize from xloud.demo: no minimum and no maximum is smaller there.
    Flavor("xloud.big", DEMO.vcpus, 1536, {"minimum_cpu": "2", "minimum_memory": "1024"}),
    Flavor("stock.small", 1, 512),
)

# name: roles in the project "demo"
USERS = {"demo": ("member",), "reader": ("reader",)}

# The catalog; type: (name, the layout's name of the port, path).
SERVICES = {
    "identity": ("keystone", "keystone", "/v3"),
    "placement": ("placement", "placement", ""),
    "image": ("glance", "glance", ""),
    "network": ("neutron", "network", ""),
    "compute": ("nova", "nova", "/v2.1"),
}


def connect(layout: Layout, user: str = "admin", project: str = "admin") -> Connection:
    """Return an openstacksdk connection to the lab's cloud."""
    return openstack.connect(
        # So that Keystone is found before the catalog is made, and when ports have changed.
        identity_endpoint_override=layout.url("keystone", "/v3"),
        auth_url=layout.url("keystone", "/v3"),
        username=user,
        password=layout.password,
        project_name=project,
        user_domain_id="default",
        project_domain_id="default",
        region_name=config.REGION,
        load_yaml_config=False,
        load_envvars=False,
        compute_api_version="2.100",
    )


def _v3(cloud: Connection) -> Any:
    """Return the identity API as Any, because openstacksdk types it as one of two versions."""
    return cloud.identity


def ensure_catalog(cloud: Connection, layout: Layout) -> None:
    """Create a public endpoint for each service, or change its URL to the current port."""
    identity = _v3(cloud)
    if config.REGION not in {region.id for region in identity.regions()}:
        identity.create_region(id=config.REGION)
    services = {service.type: service for service in identity.services()}
    endpoints = {endpoint.service_id: endpoint for endpoint in identity.endpoints()}
    for kind, (name, port, path) in SERVICES.items():
        service = services.get(kind) or identity.create_service(type=kind, name=name)
        url = layout.url(port, path)
        endpoint = endpoints.get(service.id)
        if endpoint is None:
            identity.create_endpoint(
                service_id=service.id, interface="public", region_id=config.REGION, url=url
            )
        elif endpoint.url != url:
            identity.update_endpoint(endpoint, url=url)


def ensure_people(cloud: Connection, layout: Layout) -> None:
    """Create the project ``demo`` with a user who is a member and a user who is a reader."""
    identity = _v3(cloud)
    project = identity.find_project("demo") or identity.create_project(name="demo")
    roles = {role.name: role for role in identity.roles()}
    for name, wanted in USERS.items():
        user = identity.find_user(name) or identity.create_user(
            name=name, password=layout.password, default_project_id=project.id
        )
        for role in wanted:
            identity.assign_project_role_to_user(project, user, roles[role])


def ensure_images(cloud: Connection, built: guest.Guest) -> None:
    """Upload the guest's kernel and ramdisk, and for each of ``IMAGES`` a disk that uses them."""
    kernel = _ensure_file(cloud, "xloud-kernel", built.kernel, "aki")
    ramdisk = _ensure_file(cloud, "xloud-ramdisk", built.initramfs, "ari")
    files = {"kernel_id": kernel.id, "ramdisk_id": ramdisk.id}
    known = {image.name: image for image in cloud.image.images()}
    for wanted in IMAGES:
        _ensure_disk(cloud, known.get(wanted.name), wanted.name, {**files, **wanted.properties})


def _ensure_disk(cloud: Connection, image: Any, name: str, properties: dict[str, Any]) -> None:
    if image is None:
        cloud.create_image(
            name,
            data=bytes(DISK_BYTES),
            disk_format="raw",
            container_format="bare",
            visibility="public",
            allow_duplicates=True,
            validate_checksum=False,
            use_import=False,
            **properties,
        )
        return
    # Glance refuses (409) to add a property that is there, and openstacksdk adds those that it does
    # not know by name.
    changed = {name: v for name, v in properties.items() if property_of(image, name) != v}
    if changed:
        cloud.image.update_image(image, **changed)


def property_of(image: Any, name: str) -> object:
    """Return an image property, which openstacksdk has as an attribute or in ``properties``."""
    return getattr(image, name, None) or image.properties.get(name)


def _ensure_file(cloud: Connection, name: str, path: Path, kind: str) -> Any:
    """Upload a file as an image, and replace an image that was made from a file of another name."""
    image: Any = cloud.image.find_image(name)
    if image is not None and image.properties.get("lab_file") == path.name:
        return image
    if image is not None:
        cloud.image.delete_image(image)
    return cloud.create_image(
        name,
        filename=str(path),
        disk_format=kind,
        container_format=kind,
        visibility="public",
        lab_file=path.name,
        allow_duplicates=True,
        wait=True,
    )


def ensure_flavors(cloud: Connection) -> None:
    """Create each of ``FLAVORS`` and set its extra specs.

    A flavor with another size is deleted and made anew.
    """
    known = {flavor.name: flavor for flavor in cloud.compute.flavors(get_extra_specs=True)}
    for wanted in FLAVORS:
        size = {"vcpus": wanted.vcpus, "ram": wanted.ram, "disk": wanted.disk}
        flavor = known.get(wanted.name)
        if flavor and any(getattr(flavor, name) != value for name, value in size.items()):
            cloud.compute.delete_flavor(flavor)
            flavor = None
        flavor = flavor or cloud.compute.create_flavor(name=wanted.name, **size)
        if dict(flavor.extra_specs or {}) != dict(wanted.extra_specs):
            cloud.compute.create_flavor_extra_specs(flavor, dict(wanted.extra_specs))


def write_openrc(layout: Layout) -> None:
    """Write the file that a shell sources to use ``openstack`` and ``curl`` with the lab."""
    variables = {
        "OS_AUTH_URL": layout.url("keystone", "/v3"),
        "OS_USERNAME": "admin",
        "OS_PASSWORD": layout.password,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_REGION_NAME": config.REGION,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_COMPUTE_API_VERSION": "2.100",
        "OS_PLACEMENT_API_VERSION": "1.39",
    }
    lines = [f"export {name}={value}\n" for name, value in variables.items()]
    # For nova-manage and the like: their databases are opened with the lab's plugin.
    lines.append(f"export PYTHONPATH={layout.site}\n")
    lines.append(f"export PATH={layout.venv / 'bin'}:$PATH\n")
    config.write_text(layout.openrc, "".join(lines))
    layout.openrc.chmod(0o600)
