# SPDX-License-Identifier: Apache-2.0
"""The table and the picture of ``make demo-autoscale``, and which scenes there are."""

from pathlib import Path

import pytest

from lab import contents
from lab.autoscale import page, run, scenes, table
from lab.autoscale.judge import Row
from lab.autoscale.sample import Advice, Mark, Record, Sample, Server, to_json
from lab.errors import LabError
from lab.witnesses import Size

SMALL, LARGE = Size(1, 512), Size(4, 1024)


def test_row_that_is_not_met_is_marked_and_late_is_said() -> None:
    rows = [
        Row("day", "more", "2", True),
        Row("day", "in 15 s", "18.0 s", False, is_timing=True),
        Row("day", "no harm", "1 process", False),
    ]
    marks = [line[len("day") :].rpartition("  ")[2] for line in table.text(rows).splitlines()[2:]]
    assert marks == ["2", "!! late", "!!"]


def test_page_has_the_rows_of_the_last_run_only() -> None:
    about = {"command": "lab/run demo-autoscale", "date": "d", "cores": 2, "load_average": [0.5]}
    text = f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n"
    written = page.with_table(text, [Row("day", "more", "2 | 3", True)], about)
    assert "| day | more | 2 / 3 | met |" in written
    assert "old" not in written
    assert written.startswith("before\n")
    assert written.endswith("\nafter\n")
    assert page.with_table(written, [Row("day", "more", "2 | 3", True)], about) == written
    with pytest.raises(LabError, match="no place for the table"):
        page.with_table("nothing", [], about)


def test_documentation_has_a_place_for_the_table() -> None:
    assert page.BEGIN in page.PATH.read_text()


def test_scenes_are_chosen_by_name() -> None:
    assert run.chosen([]) == list(scenes.SCENES)
    assert run.chosen(["observe", "day", "observe"]) == ["observe", "day"]
    with pytest.raises(LabError, match="there is no scene night"):
        run.chosen(["night"])


def test_servers_of_the_scenes_scale_and_differ_in_weight_only() -> None:
    light, heavy = contents.AUTOSCALE, contents.AUTOSCALE_HEAVY
    assert light in contents.FLAVORS
    assert heavy in contents.FLAVORS
    assert light.extra_specs["xloud:autoscale"] == "on"
    assert (light.vcpus, light.ram) == (heavy.vcpus, heavy.ram)
    assert heavy.extra_specs.items() - light.extra_specs.items() == {
        ("xloud:autoscale_weight", "300")
    }


def test_picture_has_the_four_lines_and_what_was_done(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from lab.autoscale import picture

    advice = Advice(0.5, 400.0, LARGE, ("hold.needed", "grow.rising"))
    servers = (
        Server(desired=LARGE, after=LARGE, guest=SMALL, advice=advice),
        Server(desired=LARGE, after=LARGE, guest=LARGE),
    )
    samples = [
        Sample(float(at), Size(32, 4096), LARGE, {"web": one}) for at, one in enumerate(servers)
    ]
    record = Record("day", samples, [Mark(0.5, "web", "cpu=4x100")])
    file, drawn = tmp_path / "samples.json", tmp_path / "picture.svg"
    file.write_text(to_json([record], {"command": "lab/run demo-autoscale day"}))
    picture.draw(file, drawn)
    text = drawn.read_text()
    for word in ("need", "desired", "reserved", "guest", "vCPUs", "memory, MiB", "cpu=4x100"):
        assert f">{word}<" in text.replace("> ", ">"), word
    picture.draw(file, drawn)
    assert drawn.read_text() == text


@pytest.mark.parametrize(
    ("error", "text"),
    [(TimeoutError(), "TimeoutError"), (LabError("no guest"), "LabError: no guest")],
)
def test_error_that_ends_a_scene_is_named_by_its_type(error: Exception, text: str) -> None:
    assert run._named(error) == text
