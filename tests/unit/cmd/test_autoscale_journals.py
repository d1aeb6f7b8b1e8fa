# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-autoscale report`` and ``replay``, on journals as nova-compute writes them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from nova_xloud.cmd import autoscale
from tests.unit.cmd.autoscale_journals import BUSY, IDLE, write_journal


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return write_journal(tmp_path / "autoscale.jsonl")


def _json(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert autoscale.main([*argv, "-f", "json"]) == 0
    return json.loads(capsys.readouterr().out)


class TestReport:
    def test_says_what_each_server_should_have(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        idle, busy = _json(capsys, "report", str(journal))["servers"]
        assert (idle["uuid"], busy["uuid"]) == (IDLE, BUSY)
        assert (idle["mode"], idle["profile"], idle["decisions"]) == ("observe", "dense", 90)
        assert idle["vcpus"]["has"] == 8
        assert idle["vcpus"]["should_have"] == 1
        assert idle["vcpus"]["frees"] == 7
        assert idle["memory_mb"]["highest_need"] == 700
        assert 700 < idle["memory_mb"]["should_have"] < 4096
        assert busy["vcpus"]["should_have"] == 4
        assert busy["vcpus"]["frees"] == -2
        assert busy["vcpus"]["code"] == "grow.cpu_busy"
        assert (idle["since"], idle["until"]) == ("2023-11-14T22:13:20Z", "2023-11-14T23:42:20Z")

    def test_table_ends_with_what_all_free(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        freed = _json(capsys, "report", str(journal))["frees"]
        assert autoscale.main(["report", str(journal)]) == 0
        out = capsys.readouterr().out
        assert f"2 servers; this would free 5 vCPUs and {freed['memory_mb']} MiB" in out
        assert "vCPUs   has 8, should have 1, frees 7; needs 0.20, at most 0.20" in out
        assert "vCPUs   has 2, should have 4, that is 2 more; needs 1.97" in out
        assert "grow.cpu_busy: 1.97 of 2 vCPUs are used" in out

    def test_server_without_a_whole_window_should_have_what_it_has(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        short = write_journal(tmp_path / "short.jsonl", count=30)
        idle = _json(capsys, "report", str(short))["servers"][0]
        assert (idle["uuid"], idle["vcpus"]["frees"], idle["memory_mb"]["frees"]) == (IDLE, 0, 0)
        assert idle["vcpus"]["code"] == "hold.window"

    def test_total_leaves_out_servers_that_are_gone(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lines = journal.read_text().splitlines(keepends=True)
        # The idle server is deleted 13 rounds before the end.
        left = [line for line in lines[-26:] if IDLE not in line]
        journal.write_text("".join([*lines[:-26], *left]))
        document = _json(capsys, "report", str(journal))
        assert [one["is_gone"] for one in document["servers"]] == [False, True]
        assert document["servers"][1]["uuid"] == IDLE
        assert (document["frees"]["vcpus"], document["gone"]) == (-2, 1)
        assert autoscale.main(["report", str(journal)]) == 0
        out = capsys.readouterr().out
        assert "1 server; this would free -2 vCPUs" in out
        assert "Left out of that: 1 server about which nothing was decided in the last 12" in out
        assert "2023-11-14T23:29:20Z; gone since" in out

    def test_server_without_a_few_rounds_is_not_gone(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lines = journal.read_text().splitlines(keepends=True)
        left = [line for line in lines[-24:] if IDLE not in line]
        journal.write_text("".join([*lines[:-24], *left]))
        document = _json(capsys, "report", str(journal))
        assert (document["frees"]["vcpus"], document["gone"]) == (5, 0)


class TestReplay:
    def test_same_decisions_to_the_byte(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert autoscale.main(["replay", str(journal)]) == 0
        assert capsys.readouterr().out == "All 180 decisions are the same again, to the byte.\n"

    def test_lines_are_those_of_the_journal(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert autoscale.main(["replay", str(journal), "-f", "lines"]) == 0
        assert capsys.readouterr().out == journal.read_text()

    def test_difference_is_exit_code_1_with_both_decisions(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lines = journal.read_text().splitlines()
        changed = json.loads(lines[3])
        changed["recommendation"]["vcpus"]["wanted"] = 7
        lines[3] = json.dumps(changed, separators=(",", ":"))
        journal.write_text("\n".join(lines) + "\n")
        assert autoscale.main(["replay", str(journal)]) == 1
        out = capsys.readouterr().out
        assert "1 of 180 decisions are not the same again." in out
        assert f"{journal}, line 4, {BUSY}:" in out
        assert "was vCPUs 7 (" in out
        assert "is  vCPUs 4 (grow.cpu_busy" in out

    def test_journal_whose_begin_is_missing_is_different(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lines = journal.read_text().splitlines()
        journal.write_text("\n".join(lines[100:]) + "\n")
        assert autoscale.main(["replay", str(journal), "-f", "json"]) == 1
        document = json.loads(capsys.readouterr().out)
        assert document["decisions"] == 80
        assert document["different"] >= len(document["first_different"]) == 5

    def test_other_profile_says_what_would_have_been(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        document = _json(capsys, "replay", str(journal), "--profile", "careful")
        idle = next(one for one in document["servers"] if one["uuid"] == IDLE)
        assert idle["others"] > 0
        # The window of 24 hours has not passed in 90 minutes: nothing would have shrunk.
        assert idle["is"]["mean_vcpus"] == 8
        assert idle["was"]["mean_vcpus"] < 8
        assert autoscale.main(["replay", str(journal), "--profile", "careful"]) == 0
        assert "what careful would have recommended:" in capsys.readouterr().out

    def test_other_window_and_cap_say_what_would_have_been(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        short = _json(capsys, "replay", str(journal), "--window", "600")
        usual = _json(capsys, "replay", str(journal))
        assert (short["window"], short["cap"], short["profile"]) == (600, None, None)
        means = [
            next(one["is"]["mean_vcpus"] for one in document["servers"] if one["uuid"] == IDLE)
            for document in (short, usual)
        ]
        assert means[0] < means[1]
        assert autoscale.main(["replay", str(journal), "--window", "600", "--cap", "3"]) == 0
        assert "what a window of 600 s and a cap of 3 would have" in capsys.readouterr().out

    @pytest.mark.parametrize("option", [("--window", "-1"), ("--window", "nan"), ("--cap", "0")])
    def test_option_that_cannot_be_is_refused(self, option: tuple[str, str], journal: Path) -> None:
        with pytest.raises(SystemExit, match="2"):
            autoscale.main(["replay", str(journal), *option])

    def test_one_server_only(self, journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
        document = _json(capsys, "replay", str(journal), "--server", BUSY)
        assert document["decisions"] == 90
        assert [one["uuid"] for one in document["servers"]] == [BUSY]

    def test_server_without_a_decision_is_refused(
        self, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert autoscale.main(["replay", str(journal), "--server", "nobody"]) == 2
        assert "has no decision of server nobody" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["report", "replay"])
class TestFiles:
    def test_folder_is_read_from_the_oldest_file_on(
        self, command: str, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lines = journal.read_text().splitlines(keepends=True)
        older = journal.with_name("autoscale-20260101T000000Z-000001.jsonl.gz")
        older.write_bytes(gzip.compress("".join(lines[:100]).encode()))
        # As nova-compute leaves it that is killed between the two steps of a compression.
        older.with_suffix("").write_text("".join(lines[:100]))
        older.with_suffix(".part").write_bytes(b"half of one")
        journal.write_text("".join(lines[100:]))
        document = _json(capsys, command, str(journal.parent))
        if command == "replay":
            assert (document["decisions"], document["different"]) == (180, 0)
        else:
            assert [one["decisions"] for one in document["servers"]] == [90, 90]

    def test_half_a_line_is_skipped_and_said(
        self, command: str, journal: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text = journal.read_text()
        journal.write_text(text + text[:50])
        assert autoscale.main([command, str(journal)]) == 0
        assert (
            f"1 line was skipped, the first one is {journal}, line 181" in capsys.readouterr().err
        )

    def test_other_file_is_refused(
        self, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "nova.conf"
        path.write_text("[DEFAULT]\n")
        assert autoscale.main([command, str(path)]) == 2
        error = capsys.readouterr().err
        assert f"{path}, line 1" in error
        assert "no line of this file is one of a journal" in error

    def test_missing_and_empty_folders_are_refused(
        self, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert autoscale.main([command, str(tmp_path / "nothing")]) == 2
        assert "no such file or folder" in capsys.readouterr().err
        assert autoscale.main([command, str(tmp_path)]) == 2
        assert "has no autoscale.jsonl" in capsys.readouterr().err

    def test_damaged_file_is_refused(
        self, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "autoscale-x.jsonl.gz"
        path.write_bytes(b"no gzip")
        assert autoscale.main([command, str(path)]) == 2
        assert "cannot be read" in capsys.readouterr().err
