"""What a soak run is judged by: what leaks is found, and what does not is not blamed."""

from dataclasses import replace

import pytest

from lab.soak import table
from lab.soak.finding import Finding
from lab.soak.judge import Incomplete, judge, problems, second_half, slope
from lab.soak.rows import ADJUSTMENTS
from lab.soak.sample import Sample, Stage
from tests.unit.lab.soak_samples import SERVICE, Leak, rows, run, using


def wrong(leak: Leak, minutes: int = 24) -> list[str]:
    return problems(judge(run(minutes, leak=leak)))


def test_a_run_without_a_leak_is_within_all_bounds() -> None:
    findings = judge(run())
    assert problems(findings) == []
    assert {one.what for one in findings} >= {
        f"{SERVICE}: private MiB",
        f"{SERVICE}: threads",
        "nova-api: descriptors",
        f"rows: {ADJUSTMENTS}",
        "hosts: libvirt's definitions",
        "logs: KiB",
    }


@pytest.mark.parametrize("minutes", [24, 60])
@pytest.mark.parametrize(
    ("leak", "words"),
    [
        (using(private_mb=1, rss_mb=1), "The memory of nova-compute-compute1 has grown by"),
        (using("nova-api", private_mb=1, rss_mb=1), "The memory of nova-api has grown by"),
        (using(threads=1), "nova-compute-compute1 has"),
        (using(descriptors=1), "descriptors when idle"),
    ],
    ids=["a MiB a minute", "a MiB a minute of nova-api", "a thread a minute", "a descriptor"],
)
def test_a_leak_of_one_a_minute_is_found(minutes: int, leak: Leak, words: str) -> None:
    (problem,) = wrong(leak, minutes)
    assert words in problem


@pytest.mark.parametrize(
    ("leak", "words"),
    [
        (rows(nova__instance_actions=lambda one: one.done.adjustments), "nova.instance_actions"),
        (rows(**{ADJUSTMENTS: lambda one: one.done.adjustments}), ADJUSTMENTS),
        (rows(nova__services=lambda one: one.done.servers), "nova.services has"),
        (rows(nova__tags=lambda one: int(one.stage is Stage.GONE)), "nova.tags has 1 rows after"),
        (
            rows(placement__allocations=lambda one: 3 * (one.stage is Stage.GONE)),
            "placement.allocations has 3 rows after all servers were deleted",
        ),
    ],
    ids=[
        "an action that is not of Nova",
        "a second action of each adjustment",
        "rows of a table that must not grow",
        "one row of a table that was empty",
        "an allocation of a server that is gone",
    ],
)
def test_a_row_too_many_is_found(leak: Leak, words: str) -> None:
    (problem,) = wrong(leak)
    assert words in problem


def on_hosts(**more: int) -> Leak:
    def leak(one: Sample) -> Sample:
        if one.stage is not Stage.GONE:
            return one
        host = {what: count + more.get(what.split()[0], 0) for what, count in one.host.items()}
        return replace(one, host=host)

    return leak


@pytest.mark.parametrize(
    ("leak", "words"),
    [
        (on_hosts(**{"libvirt's": 1}), "libvirt's definitions: there are 1 after all servers"),
        (on_hosts(running=1), "running QEMUs: there are 1"),
        (on_hosts(lock=7), "lock files of Nova: there are 7"),
        (on_hosts(events=1), "1 events of adjustments without an end are left"),
    ],
)
def test_what_is_left_on_a_host_is_found(leak: Leak, words: str) -> None:
    assert words in "\n".join(wrong(leak))


def test_a_record_that_grows_is_found() -> None:
    def leak(one: Sample) -> Sample:
        keys = "xloud_* keys of one server, at most"
        return replace(one, host={**one.host, keys: one.host[keys] + one.done.adjustments // 10})

    (problem,) = wrong(leak)
    assert "xloud_* keys of one server" in problem


def test_logs_that_grow_faster_and_faster_are_found() -> None:
    (problem,) = wrong(lambda one: replace(one, logged=int(20_000 * one.minute**2)))
    assert problem.startswith("The logs grow faster")


def test_a_service_that_was_away_is_found() -> None:
    def leak(one: Sample) -> Sample:
        uses = {n: use for n, use in one.uses.items() if n != SERVICE or one.stage != Stage.END}
        return replace(one, uses=uses)

    assert set(wrong(leak)) == {f"{SERVICE} did not run all of the time."}


@pytest.mark.parametrize(
    "leak",
    [
        using("keystone", private_mb=5, threads=1),
        # Before the second half: caches and pools that fill.
        lambda one: using(private_mb=10)(one) if one.minute < 6 else using(private_mb=0)(one),
        lambda one: using(private_mb=6)(one) if one.minute > 15 else one,
        using(rss_mb=5),
        using(private_mb=1, rss_mb=-1),
    ],
    ids=[
        "of a service that is there for comparison",
        "before the second half",
        "pages that were shared with a parent",
        "pages of files",
        "private memory of a service that becomes smaller",
    ],
)
def test_growth_that_is_no_leak_of_ours_is_not_blamed(leak: Leak) -> None:
    assert wrong(leak) == []


def test_one_sample_far_from_the_others_does_not_decide() -> None:
    def leak(one: Sample) -> Sample:
        return using(private_mb=10, rss_mb=10)(one) if one.minute == 24 else one

    assert wrong(leak) == []


def test_a_short_run_says_that_memory_was_not_judged() -> None:
    findings = judge(run(minutes=6, warm=2, leak=using(private_mb=1, rss_mb=1)))
    assert problems(findings) == []
    (memory,) = (one for one in findings if one.what == f"{SERVICE}: private MiB")
    assert memory.note.startswith("too short")


def test_a_load_of_which_nothing_was_admitted_is_a_failure() -> None:
    (problem,) = wrong(
        lambda one: replace(
            one,
            done=replace(one.done, adjustments=0),
            rows={n: count for n, count in one.rows.items() if "xloud" not in n},
        )
    )
    assert problem == "No adjustment was admitted, so nothing was tried."


def test_a_run_that_was_cut_off_is_not_judged() -> None:
    with pytest.raises(Incomplete, match="gone"):
        judge(run()[:-1])


def test_the_slope_is_that_of_most_points() -> None:
    assert slope([(0, 0), (1, 2), (2, 4), (3, 6), (4, 80), (5, 10)]) == 2


def test_the_second_half_is_under_load_only() -> None:
    assert [one.minute for one in second_half(run(4, 2))] == [2, 3, 4]


def test_the_table_has_a_row_for_each_finding() -> None:
    said = table.text(
        [
            Finding("a", (1, 2.5, 3, 4), "none more"),
            Finding("b", (1, 2, 3, 4), "-", note="for comparison"),
            Finding("c", (1, 2, 3, 400), "-", problem="It is too much."),
        ]
    )
    head, line, *found = said.splitlines()
    assert head.split() == list(table.HEAD)
    assert set(line) == {"-", " "}
    assert [row.split()[0] for row in found] == ["a", "b", "c"]
    assert [row.split("  ")[-1] for row in found] == ["ok", "for comparison", "NOT AS IT HAS TO BE"]


def test_the_answers_are_listed_by_step() -> None:
    said = table.answers({("adjust", 202): 7, ("adjust", 409): 1, ("status", 200): 3})
    assert said.splitlines()[2:] == ["adjust  7 x 202, 1 x 409", "status  3 x 200"]
