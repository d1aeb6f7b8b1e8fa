"""Shell lines that the demo prints at its end, for going on by hand; a test runs every line.

The lines work when pasted into a new shell, in any folder.
"""

import os
import shlex

from lab import contents, hypervisor
from lab.layout import REPOSITORY, Layout

SERVER = "by-hand"


def lines(layout: Layout) -> list[str]:
    """Return shell lines from a server's creation to its deletion, to be pasted in this order."""
    return [
        _source(layout),
        f"openstack server create --flavor {contents.DEMO.name} --image {contents.IMAGE}"
        f" --no-network --wait {SERVER}",
        f"openstack server adjust {SERVER} --vcpus 3 --memory 768 --wait",
        f"openstack server adjust show {SERVER}",
        f"SERVER=$(openstack server show {SERVER} -f value -c id)",
        "openstack resource provider allocation show $SERVER",
        f"openstack console log show {SERVER} | grep xloud-guest: | tail -n 3",
        f"openstack server adjust {SERVER} --vcpus 1 --memory 512 --wait",
        f"openstack server event list {SERVER}",
        f"openstack server delete --wait {SERVER}",
    ]


def checks(layout: Layout) -> list[str]:
    """Return the two commands that check the whole cloud; each line works alone."""
    questions = (["upgrade", "check", *configuration(layout)], invariants(layout))
    return [
        f"{_source(layout)} && nova-xloud-status {shlex.join(question)}" for question in questions
    ]


def invariants(layout: Layout) -> list[str]:
    """Return the arguments with which ``nova-xloud-status`` checks the invariants.

    They name each compute's libvirtd, so that the invariants about domains are checked too.
    """
    witnesses = [
        word
        for compute in layout.computes
        for word in ("--libvirt", f"{compute.hostname}={hypervisor.connect_uri(compute)}")
    ]
    return ["invariants", *configuration(layout), *witnesses]


def configuration(layout: Layout) -> list[str]:
    """Return the option by which a command of Nova or nova-xloud finds the lab's nova.conf."""
    return ["--config-file", str(layout.etc / "nova" / "nova.conf")]


def lab_run(layout: Layout, *arguments: str) -> str:
    """Return the shell line that runs ``lab/run`` with this lab's state folder and environment."""
    usual = {"LAB_STATE": REPOSITORY / ".lab", "LAB_VENV": REPOSITORY / ".venv"}
    own = {"LAB_STATE": layout.state, "LAB_VENV": layout.venv}
    set_before = [f"{name}={own[name]}" for name in own if own[name] != usual[name]]
    words = [*(["env", *set_before] if set_before else []), str(REPOSITORY / "lab" / "run")]
    return shlex.join([*words, *arguments])


def text(layout: Layout) -> str:
    """Return all shell lines with explanations; the lines to paste are indented."""
    parts = [
        "By hand, in a new shell (the cloud stays up):",
        _indented(lines(layout)),
        "Is the cloud as it has to be, and does every invariant hold? Each line works alone:",
        _indented(checks(layout)),
        *filter(None, [limit(contents.DEMO)]),
        "Stop it:",
        _indented([lab_run(layout, "down")]),
    ]
    return "\n\n".join(parts)


def limit(flavor: contents.Flavor) -> str:
    """Return how many vCPUs can be added to a server without KVM; an empty text with KVM."""
    if os.environ.get("LAB_VIRT_TYPE", "qemu") != "qemu":
        return ""
    most = flavor.vcpus - int(flavor.extra_specs["minimum_cpu"])
    return (
        f"One limit: these guests run without KVM, and QEMU can then be given {most} vCPUs in all"
        " (the\nflavor's maximum less what it booted with) from one start of a server to the next."
        " At one more QEMU\nends, and the server is SHUTOFF. `openstack server start` starts it"
        " again, and the count begins\nanew. With KVM there is no such limit."
    )


def _source(layout: Layout) -> str:
    return f". {shlex.quote(str(layout.openrc))}"


def _indented(pasted: list[str]) -> str:
    return "\n".join(f"  {line}" for line in pasted)
