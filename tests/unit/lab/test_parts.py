"""The lab's own parts that need no cloud."""

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import contents, faults, guest, layout, processes
from lab.errors import LabError, ServiceFailed
from lab.guest.initramfs import Entry, archive
from lab.hypervisor import nudge, topology
from lab.layout import Layout
from lab.processes import Daemon

LINE = (
    b"xloud-guest: cpus_online=3 ram_mib=1024 balloon_mib=256 held_mib=768 "
    b"mem_total_kib=994876 mem_free_kib=686968 uptime=5.53 guest=cooperative\r\n"
)


@pytest.fixture
def empty(tmp_path: Path) -> Layout:
    made = Layout(state=tmp_path)
    made.make_folders()
    return made


def sleeper(seconds: str = "60", **more) -> Daemon:
    return Daemon(name="sleeper", command=["sleep", seconds], healthy=lambda: True, **more)


def test_last_whole_line_of_the_console_counts() -> None:
    older = LINE.replace(b"cpus_online=3", b"cpus_online=1")
    report = guest.last_report(b"[    2.9] ACPI\r\n" + older + LINE + b"xloud-guest: cpus_onl")
    assert report == guest.Report(3, 1024, 256, 768, 5.53, "cooperative")
    assert guest.last_report(b"xloud-guest: power button\r\n") is None


def test_lines_that_the_kernel_wrote_into_do_not_count() -> None:
    garbled = LINE.replace(b"ram_mib=1024", b"ram_mib=gues1024")
    assert guest.last_report(garbled) is None
    report = guest.last_report(LINE + garbled)
    assert report is not None
    assert report.held_mb == 768


def test_initramfs_is_what_cpio_can_read(tmp_path: Path) -> None:
    entries = [Entry("bin"), Entry("bin/tool", b"abc"), Entry("init", b"#!/bin/sh\n")]
    packed = gzip.decompress(archive(entries))
    assert len(packed) % 4 == 0
    (tmp_path / "archive").write_bytes(packed)
    assert packed.count(b"070701") == 4
    assert archive(entries) == archive(entries)


def test_nudge_answers_the_lapic_only() -> None:
    assert nudge.replies({"QMP": {}}) == [nudge.NEGOTIATE]
    lapic = {"event": "DEVICE_DELETED", "data": {"path": "/machine/peripheral/vcpu2/lapic"}}
    assert nudge.replies(lapic) == [nudge.REBUILD_MEMORY_TOPOLOGY]
    vcpu = {"event": "DEVICE_DELETED", "data": {"device": "vcpu2", "path": "/machine/vcpu2"}}
    assert nudge.replies(vcpu) == []
    assert nudge.replies({"event": "STOP"}) == []


def test_nudge_of_a_slow_guest_comes_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, emulators = socket.socketpair()
    emulators.setblocking(False)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with ours, emulators:
        slow = nudge.Guest(tmp_path, ours, delay=nudge.SLOW_SECONDS)
        lapic = {"event": "DEVICE_DELETED", "data": {"path": "/machine/peripheral/vcpu2/lapic"}}
        emulators.sendall(json.dumps(lapic).encode() + b"\n")
        assert slow.receive()
        now[0] += nudge.SLOW_SECONDS - 0.1
        slow.send_due()
        with pytest.raises(BlockingIOError):
            emulators.recv(4096)
        now[0] += 0.2
        slow.send_due()
        assert json.loads(emulators.recv(4096)) == nudge.REBUILD_MEMORY_TOPOLOGY
        assert not slow.due


def test_too_long_a_state_folder_is_refused_with_the_way_out() -> None:
    with pytest.raises(LabError, match="LAB_STATE"):
        layout.load({"LAB_STATE": "/tmp/" + "x" * 90})
    with pytest.raises(LabError, match="/var"):
        layout.load({"LAB_STATE": "/var/lab"})


def test_taken_ports_are_replaced_and_remembered(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        lab = layout.with_free_ports(Layout(state=tmp_path, ports={"nova": number}))
        assert lab.ports["nova"] != number
        assert not layout.port_is_free(number)
        assert layout.port_is_free(lab.ports["nova"])


def test_daemon_is_kept_replaced_and_stopped(empty: Layout, tmp_path: Path) -> None:
    setting = tmp_path / "setting"
    setting.write_text("1")
    daemon = sleeper(made_of=[setting])
    try:
        assert processes.start(empty, [daemon]) == ["sleeper"]
        first = processes.running(empty)["sleeper"].pid
        assert processes.start(empty, [daemon]) == []
        setting.write_text("2")
        assert processes.start(empty, [daemon]) == ["sleeper"]
        assert processes.running(empty)["sleeper"].pid != first
        assert processes.start_time(first) is None
    finally:
        assert processes.stop(empty, ["sleeper"]) == ["sleeper"]
    assert processes.running(empty) == {}
    assert processes.marked(empty) == {}


def test_reused_process_id_is_not_killed(empty: Layout) -> None:
    processes.start(empty, [sleeper()])
    record = processes.read_record(empty, "sleeper")
    assert record is not None
    path = empty.run / "sleeper.json"
    text = path.read_text()
    path.write_text(text.replace(str(record.start_time), str(record.start_time - 1)))
    try:
        assert processes.stop(empty, ["sleeper"]) == []
        assert processes.start_time(record.pid) == record.start_time
    finally:
        os.kill(record.pid, signal.SIGKILL)


def test_daemon_that_ends_is_reported_with_its_log(empty: Layout) -> None:
    failing = Daemon(
        name="failing",
        command=["sh", "-c", "echo no such thing; sleep 0.2; exit 3"],
        healthy=lambda: False,
        timeout=5,
    )
    with pytest.raises(ServiceFailed, match="no such thing"):
        processes.start(empty, [failing])


def test_what_ignores_sigterm_is_ended_too(empty: Layout) -> None:
    stubborn = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal,time; signal.signal(15, 1); print(1); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    began = processes.start_time(stubborn.pid)
    assert began is not None
    processes.end_processes({stubborn.pid: began}, seconds=0.3)
    assert stubborn.wait(5) == -signal.SIGKILL


def test_small_machine_shows_as_many_cpus_as_the_flavors_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = layout.compute_of(tmp_path, "small")
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert topology.write(compute)
    cpus = compute.root / "sys" / "cpu"
    assert (cpus / "online").read_text() == f"0-{contents.DEMO.vcpus - 1}\n"
    assert (cpus / "cpu31" / "topology" / "core_siblings").read_text() == "ffffffff\n"
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert not topology.write(compute)
    assert not (compute.root / "sys").exists()


def test_killed_daemon_is_started_again(empty: Layout) -> None:
    try:
        processes.start(empty, [sleeper()])
        first = faults.kill(empty, "sleeper")
        assert processes.start_time(first) is None
        with pytest.raises(LabError, match="sleeper"):
            faults.kill(empty, "sleeper")
        assert processes.start(empty, [sleeper()]) == ["sleeper"]
        assert processes.running(empty)["sleeper"].pid != first
    finally:
        processes.stop(empty, ["sleeper"])


def test_frozen_process_goes_on_after_the_block(empty: Layout) -> None:
    def state() -> str:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    processes.start(empty, [sleeper()])
    pid = processes.running(empty)["sleeper"].pid
    try:
        with faults.frozen(pid):
            assert state() == "T"
        deadline = time.monotonic() + 5
        while state() == "T" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert state() in "RS"
    finally:
        processes.stop(empty, ["sleeper"])


def test_images_name_behaviours_that_the_guest_has() -> None:
    assert {image.behaviour for image in contents.IMAGES} == set(guest.BEHAVIOURS)
    by_name = {image.name: image.properties for image in contents.IMAGES}
    assert len(by_name) == len(contents.IMAGES)
    assert "hw_qemu_guest_agent" not in by_name[contents.IMAGE]
    assert by_name["xloud-agent"]["hw_qemu_guest_agent"] == "yes"
