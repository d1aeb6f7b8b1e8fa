"""Raw data: what is written is read back, and what was only tried is not kept."""

from tests.bench import raw
from tests.bench.figures import Figure, Goal, Plot, Result, Series, Table
from tests.bench.raw import Raw

RESULT = Result(
    (Figure("row", "from here to there", "stock", "s", ((1.5, 2.25), (None, 3)), Goal(1.5)),),
    (Table("Asked", ("", "stock"), (("sql", 3), ("rpc", "4 -> 4"))),),
    (Plot("picture", "Memory", "s", "MiB", (Series("ours", (0, 1), (512, 768)),), steps=True),),
)


def made(measure="boot", quick=False, result=RESULT):
    return Raw(
        measure=measure,
        command=f'make bench BENCH="{measure}"',
        date="2026-11-28T16:00:00+00:00",
        commit="0123456789",
        seconds=12.5,
        quick=quick,
        machine={"cpu": "fast", "cores": 2},
        load=[0.1, 0.2, 0.3],
        result=result,
    )


def test_what_is_written_is_read_back(tmp_path):
    path = raw.save(made(), tmp_path / "new")
    assert path.name == "boot.json"
    assert raw.read(path) == made()
    assert raw.read_all(tmp_path / "new") == {"boot": made()}
    assert raw.read_all(tmp_path / "nowhere") == {}


def test_a_pair_is_one_line_and_a_number_is_short():
    figure = Figure("row", "what", None, "s", ((None, 1 / 3),))
    text = raw.to_text(made(result=Result((figure,))))
    assert "[null, 0.333333]" in text
    assert raw.from_text(text).result.figures[0].pairs == ((None, 0.333333),)


def test_texts_with_brackets_and_commas_stay_as_they_are():
    table = Table("[ a,  b ]", ("x",), (("1,   2",),))
    assert raw.from_text(raw.to_text(made(result=Result(tables=(table,))))).result.tables == (
        table,
    )


def test_keep_leaves_quick_ones_and_what_was_kept_before(tmp_path):
    measured, kept = tmp_path / "measured", tmp_path / "kept"
    raw.save(made("moves"), kept)
    raw.save(made("boot"), measured)
    raw.save(made("calls", quick=True), measured)
    assert raw.keep(measured, kept) == ["boot"]
    assert raw.read_all(kept).keys() == {"boot", "moves"}
