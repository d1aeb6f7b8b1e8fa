"""The two like guests of the lab: the other one's definition, and what a console says."""

from xml.etree import ElementTree

import pytest

from lab.witnesses import Size
from tests.bench import guests

UUID = "6a3f5f0e-2a0e-4f43-9a52-0d9d4a1b7c11"
LINE = (
    "xloud-guest: cpus_online={cpus} ram_mib=1024 balloon_mib={balloon} held_mib={held} "
    "mem_total_kib=900000 mem_free_kib=800000 uptime=3.10 guest=cooperative\r\n"
)


def definition(disk):
    return ElementTree.fromstring(
        f"""<domain type="qemu" id="3"><name>instance-1</name><uuid>{UUID}</uuid>
        <metadata><owner>{UUID}</owner></metadata>
        <memory unit="KiB">1048576</memory><currentMemory unit="KiB">524288</currentMemory>
        <vcpu placement="static" current="1">32</vcpu>
        <sysinfo type="smbios"><system><entry name="uuid">{UUID}</entry></system></sysinfo>
        <os><type>hvm</type><kernel>/instances/kernel</kernel><smbios mode="sysinfo"/></os>
        <devices><disk type="file" device="disk"><source file="{disk}" index="1"/></disk>
        <serial type="pty"><log file="/instances/console.log" append="off"/></serial>
        <console type="pty"><log file="/instances/console.log" append="off"/></console>
        </devices><seclabel type="none"/></domain>"""
    )


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(b"its disk")
    return path


def test_the_other_guest_has_nothing_of_the_server_but_its_size(disk, tmp_path):
    root = definition(disk)
    like = guests._like(root, tmp_path)
    text = ElementTree.tostring(like, encoding="unicode")
    assert UUID not in text
    assert str(disk) not in text.replace(str(tmp_path / "disk0"), "")
    assert "/instances/console.log" not in text
    assert (tmp_path / "disk0").read_bytes() == b"its disk"
    for same in ("memory", "currentMemory", "vcpu", "os/kernel"):
        assert like.findtext(same) == root.findtext(same)
    assert like.find("os/smbios") is None
    # The server's own is as it was.
    assert root.findtext("uuid") == UUID


def test_a_console_says_what_the_guest_printed_last(tmp_path):
    path = tmp_path / "console.log"
    small = LINE.format(cpus=1, balloon=512, held=512)
    large = LINE.format(cpus=2, balloon=256, held=768)
    console = guests.Console(path)
    path.write_text("SeaBIOS\r\n")
    assert not console.has(Size(1, 512))
    path.write_text(small * 200 + large)
    assert console.has(Size(2, 768))
    assert not console.has(Size(1, 512))
    # Half a line is none yet.
    path.write_text(small + large[:40])
    assert console.has(Size(1, 512))


def test_it_is_timed_until_it_is_seen_and_not_until_the_call_returns(tmp_path):
    path = tmp_path / "console.log"
    path.write_text("")
    console = guests.Console(path)

    def act():
        path.write_text(LINE.format(cpus=1, balloon=512, held=512))
        return "done"

    seconds, answer = guests.seconds_until_seen(console, Size(1, 512), act)
    assert seconds > 0
    assert answer == "done"


def test_an_action_that_fails_is_raised_and_not_waited_for(tmp_path):
    path = tmp_path / "console.log"
    path.write_text("")

    def fails():
        raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        guests.seconds_until_seen(guests.Console(path), Size(1, 512), fails)
