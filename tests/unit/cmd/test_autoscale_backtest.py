# SPDX-License-Identifier: Apache-2.0
"""``nova-xloud-autoscale backtest``: its result, its files, its help, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from nova_xloud.backtest.policies import POLICIES
from nova_xloud.backtest.summary import FIGURES
from nova_xloud.cmd import autoscale
from tests.unit.backtest.rig import samples, write

QUICK = "fixed-min,fixed-max,clairvoyant"


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    rows = [row.replace(",a,", f",{vm},") for vm in "ab" for row in samples(*[(2.0, 2000)] * 12)]
    return write(tmp_path / "web.csv", *rows)


def _json(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert autoscale.main(["backtest", *argv, "-f", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_has_every_figure_of_every_policy(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = _json(capsys, str(trace), "--policy", QUICK)
    assert [policy["policy"] for policy in document["policies"]] == QUICK.split(",")
    for policy in document["policies"]:
        assert policy["machines"] == 2
        for figure in FIGURES:
            assert set(policy[figure.name]) == {"mean", "p50", "p90", "worst"}
    smallest, largest, _ = document["policies"]
    assert largest["vcpu_share"]["mean"] == 1
    assert largest["unmet_cpu_core_seconds_per_day"]["worst"] == 0
    # One vCPU of the two that are wanted, all day, but for what bursts want above the maximum.
    assert 80000 < smallest["unmet_cpu_core_seconds_per_day"]["mean"] <= 86400
    assert document["sources"][0]["source"] == "web"
    assert document["settings"]["seed"] == 1


def test_same_seed_gives_the_same_bytes(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def text(seed: str) -> str:
        argv = ["backtest", str(trace), "--policy", QUICK, "-f", "json", "--seed", seed]
        assert autoscale.main(argv) == 0
        return capsys.readouterr().out

    assert text("5") == text("5")
    assert text("5") != text("6").replace('"seed": 6', '"seed": 5')


def test_table_has_four_lines_of_each_policy(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert autoscale.main(["backtest", str(trace), "--policy", "fixed-max"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("web: 2 machines, 0.1 VM-days; resolution expanded, seed 1;")
    lines = [line.split()[:2] for line in out.splitlines()[2:7]]
    assert lines[1:] == [
        ["fixed-max", "mean"],
        ["p50", "100.0"],
        ["p90", "100.0"],
        ["worst", "100.0"],
    ]


def test_folder_has_all_traces_together_too(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(trace.parent / "db.csv", *samples(*[(2.0, 2000)] * 3))
    document = _json(capsys, str(trace.parent), "--policy", "fixed-max")
    assert [source["source"] for source in document["sources"]] == ["db", "web"]
    assert document["policies"][0]["machines"] == 3


def test_quick_look_plays_a_part(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = _json(
        capsys, str(trace), "--policy", "fixed-max", "--machines", "1", "--days", "0.02"
    )
    assert document["policies"][0]["machines"] == 1
    # 6 samples of 300 s, of which the first is not scored.
    assert document["policies"][0]["vm_days"] == pytest.approx(1500 / 86400, abs=1e-4)


def test_series_is_written(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = trace.parent / "sizes.csv"
    argv = ["backtest", str(trace), "--policy", "fixed-max", "--series", str(out)]
    assert autoscale.main(argv) == 0
    lines = out.read_text().splitlines()
    assert lines[0].endswith(",mem_mb,vcpus,memory_mb")
    assert len(lines) == 1 + 24
    assert lines[1] == "0,a,2.0,2000,8,16384,8,16384"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--policy", "nobody"], ["no policy 'nobody'", "fixed-max"]),
        (["--machines", "0"], ["'0' is not a whole number of at least 1"]),
        (["--machines", "2.5"], ["'2.5' is not a whole number of at least 1"]),
        (["--days", "nan"], ["'nan' is not a number"]),
        (["--host", "64"], ["'64' is not VCPUS,MIB"]),
        (["--resolution", "fine"], ["sampled", "expanded"]),
    ],
    ids=["policy", "machines", "part of a machine", "days", "host", "resolution"],
)
def test_wrong_arguments_say_what_is_right(
    trace: Path, capsys: pytest.CaptureFixture[str], argv: list[str], words: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        autoscale.main(["backtest", str(trace), *argv])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    for word in words:
        assert word in error


def test_wrong_trace_ends_with_2_and_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "bad.csv", "0,a,much,1,1,1")
    assert autoscale.main(["backtest", str(path), "--policy", "fixed-max"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{path}, line 2: cpu_used_cores is 'much'" in captured.err


def test_one_series_file_for_two_policies_is_refused(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = trace.parent / "sizes.csv"
    argv = ["backtest", str(trace), "--policy", QUICK, "--series", str(out)]
    assert autoscale.main(argv) == 2
    assert "put {policy} into its name" in capsys.readouterr().err
    assert not out.exists()


def test_series_that_cannot_be_written_is_said(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = trace.parent / "missing" / "sizes.csv"
    argv = ["backtest", str(trace), "--policy", "fixed-max", "--series", str(out)]
    assert autoscale.main(argv) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_progress_is_on_stderr(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert autoscale.main(["backtest", str(trace), "--policy", "fixed-max"]) == 0
    assert "web: 100 % played, 2 machines" in capsys.readouterr().err


def test_help_names_policies_and_columns(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        autoscale.main(["backtest", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for word in (*POLICIES, "time_s,vm,cpu_used_cores,", "cpu_max_cores", "Exit codes:"):
        assert word in text


def test_machines_together_are_never_more_than_the_host_has(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [str(trace), "--policy", "ours-balanced,neon,proxmox", "--together", "peak"]
    argv += ["--host-share", "0.3", "--weights", "50,200"]
    document = _json(capsys, *argv)
    hosts = {use["policy"]: use for use in document["sources"][0]["hosts"]}
    # 0.3 of two machines of 8 vCPUs and 16 GiB.
    assert (hosts["neon"]["vcpus"], hosts["neon"]["memory_mb"]) == (5, 9831)
    for name in ("ours-balanced", "neon"):
        assert hosts[name]["most_vcpus"] <= 5
        assert hosts[name]["most_memory_mb"] <= 9831
    names = [policy["policy"] for policy in document["policies"]]
    assert names[:3] == ["ours-balanced", "ours-balanced, weight 50", "ours-balanced, weight 200"]


def test_host_policies_are_played_on_a_host_at_any_time(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert autoscale.main(["backtest", str(trace), "--policy", "fixed-max,proxmox"]) == 0
    out = capsys.readouterr().out
    assert "proxmox on one host of 10 vCPUs and 19,661 MiB: at most" in out
    assert "fixed-max on one host" not in out


def test_policy_that_cannot_share_a_host_is_refused(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["backtest", str(trace), "--policy", "clairvoyant", "--together", "clock"]
    assert autoscale.main(argv) == 2
    assert "clairvoyant cannot be played on a full host (--together)" in capsys.readouterr().err


def test_plot_is_the_same_bytes_for_the_same_result(
    trace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    texts = []
    for name in ("first.svg", "second.svg"):
        out = trace.parent / name
        argv = ["backtest", str(trace), "--policy", QUICK, "--plot", str(out)]
        assert autoscale.main(argv) == 0
        texts.append(out.read_text())
    assert texts[0] == texts[1]
    for words in ("clairvoyant", "web, memory: 2 machines", "MiB-seconds a VM-day"):
        assert words in texts[0]
    assert "fixed-max" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "words"),
    [("density.txt", "ends in .svg, .png or .pdf"), ("no/density.svg", "cannot be written")],
)
def test_plot_that_cannot_be_written_is_said(
    trace: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    pytest.importorskip("matplotlib")
    argv = ["backtest", str(trace), "--policy", "fixed-max", "--plot", str(trace.parent / name)]
    assert autoscale.main(argv) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert "fixed-max" in captured.out


def test_plot_without_matplotlib_says_what_to_install(
    trace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    argv = ["backtest", str(trace), "--policy", "fixed-max", "--plot", str(trace.parent / "x.svg")]
    assert autoscale.main(argv) == 2
    assert "install nova-xloud[backtest]" in capsys.readouterr().err
