"""The unpacked hypervisor: a current QEMU and libvirt beside the system, without installing them.

The QEMU of Debian 12 cannot take a vCPU away from a TCG guest; that of trixie-backports can. The
packages are downloaded by apt with a configuration of its own: its own state, its own sources, and
an empty dpkg status, so that every dependency is downloaded too. ``dpkg -x`` unpacks them. Nothing
of the system changes. The mirror is the one that the system's own apt uses.
"""

import re
import shutil
import subprocess
from pathlib import Path

from lab.errors import CommandFailed, LabError
from lab.layout import Layout
from lab.processes import run_command

RELEASE = "trixie"
BACKPORTS = f"{RELEASE}-backports"
FROM_BACKPORTS = ("qemu-system-x86",)
FROM_RELEASE = (
    "libvirt-daemon",
    "libvirt-daemon-driver-qemu",
    "libvirt-daemon-log",
    "libvirt-clients",
    # What the compute's mount namespace runs besides the daemons: its /usr is this tree.
    "bash",
    "coreutils",
    # For guests that are saved; see QEMU_CONF.
    "gzip",
    "mount",
    "util-linux",
)
OTHER_EMULATORS = ("qemu-system-i386", "qemu-system-x86_64-microvm")

# Debian's own keys, of its package debian-archive-keyring; without it apt uses its trusted.gpg.d.
DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def tree(layout: Layout) -> Path:
    """Return the folder with the unpacked QEMU and libvirt.

    The folder's ``usr`` is mounted as /usr in the mount namespace of each compute.
    """
    return layout.cache / "hypervisor"


def ensure_unpacked(layout: Layout) -> str:
    """Download and unpack the packages unless that was done; return two of their versions as text.

    They are those of QEMU and libvirt.

    :raises CommandFailed: a download failed
    :raises LabError: the system's apt has no archive of Debian
    """
    root = tree(layout)
    versions, wanted = root / "versions", root / "wanted"
    asked = "".join(f"{name}\n" for name in _packages())
    if not (wanted.exists() and wanted.read_text() == asked):
        # Unpacked in another folder, which is then renamed: an interrupted run leaves no half tree.
        partial = root.with_name("hypervisor.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(root, ignore_errors=True)
        partial.mkdir(parents=True)
        archives = _download(layout)
        for archive in archives:
            run_command(layout, "hypervisor-unpack", ["dpkg", "-x", str(archive), str(partial)])
        # libvirt asks every emulator it finds for its capabilities, at a second or more for each.
        for name in OTHER_EMULATORS:
            (partial / "usr" / "bin" / name).unlink(missing_ok=True)
        # The emulator wrapper is put over the usual name; see namespace.sh.
        emulator = partial / "usr" / "bin" / "qemu-system-x86_64"
        emulator.with_name(emulator.name + ".real").hardlink_to(emulator)
        (partial / versions.name).write_text(_versions(archives))
        (partial / wanted.name).write_text(asked)
        partial.rename(root)
        shutil.rmtree(_apt_folder(layout))
    return versions.read_text().strip()


def _versions(archives: list[Path]) -> str:
    found = {}
    for archive in archives:
        package, version, _ = archive.name.split("_", 2)
        found[package] = version.replace("%3a", ":")
    return f"QEMU {found['qemu-system-x86']}, libvirt {found['libvirt-daemon']}"


def _download(layout: Layout) -> list[Path]:
    folder = _apt_folder(layout)
    shutil.rmtree(folder, ignore_errors=True)
    options = _private_apt(folder)
    run_command(layout, "hypervisor-apt", ["apt-get", *options, "update"])
    # Packages that QEMU itself needs have to come from backports too, if backports has them.
    install = ["install", "--yes", "--download-only", "--no-install-recommends"]
    command = ["apt-get", *options, *install, "--target-release", BACKPORTS, *_packages()]
    run_command(layout, "hypervisor-apt", command, timeout=900)
    archives = sorted((folder / "cache" / "archives").glob("*.deb"))
    if not archives:
        raise CommandFailed(
            f"apt downloaded no hypervisor package; see {layout.logs}/hypervisor-apt.log"
        )
    return archives


def _packages() -> list[str]:
    return [
        *(f"{name}/{BACKPORTS}" for name in FROM_BACKPORTS),
        *(f"{name}/{RELEASE}" for name in FROM_RELEASE),
    ]


def _apt_folder(layout: Layout) -> Path:
    return layout.cache / "hypervisor-apt"


def _private_apt(folder: Path) -> list[str]:
    """Create folders for apt below ``folder``, and return the options for apt to use only these."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d"):
        (folder / name).mkdir(parents=True)
    (folder / "state" / "status").touch()
    signed = f" [signed-by={DEBIAN_KEYS}]" if DEBIAN_KEYS.exists() else ""
    mirror = _system_mirror()
    (folder / "etc" / "sources.list").write_text(
        "".join(f"deb{signed} {mirror} {suite} main\n" for suite in (RELEASE, BACKPORTS))
    )
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "state" / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "etc" / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": folder / "etc" / "preferences.d",
        # apt's unprivileged download user may not enter the lab's folder.
        "APT::Sandbox::User": "root",
        # The system's own configuration may make apt delete packages after a download.
        "APT::Keep-Downloaded-Packages": "true",
        "DPkg::Post-Invoke::": "",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _system_mirror() -> str:
    """Return the URI of the Debian archive that the system's apt has for the system's release.

    :raises LabError: it has none
    """
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    own = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)
    for line in listing.splitlines():
        uri, _, codename = line.partition(" ")
        if own and codename == own.group(1):
            return uri
    raise LabError(
        "the system's apt has no Debian archive of the system's release; see apt-cache policy"
    )
