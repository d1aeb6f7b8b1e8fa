# SPDX-License-Identifier: Apache-2.0
"""The page of back-tests, made of the results that are kept in ``docs/backtest-data``.

``python -m tests.backtest_page RESULT.json...`` keeps results of ``nova-xloud-autoscale backtest -f
json``, each under the name of its trace, joins policies that were played apart, and writes the page
and its plots. Without arguments it writes the page and the plots only. ``python -m
tests.backtest_page TRACES``, with the folder of the traces, keeps how much is in each of them.
"""

import csv
import json
import pathlib
import sys
import textwrap
from dataclasses import dataclass

from nova_xloud.backtest import traces
from nova_xloud.backtest.summary import (
    CHANGES,
    FIT_P50,
    FIT_P99,
    FLAPS,
    KILLS,
    MEMORY_SHARE,
    PER_HOST,
    UNDONE,
    UNMET_CPU,
    UNMET_MEMORY,
    VCPU_SHARE,
)
from tests.generated import ROOT

KEPT = ROOT / "docs/backtest-data"
PAGE = ROOT / "docs/reference/autoscale-backtest.md"
PICTURES = ROOT / "docs/images/backtest"
TEMPLATE = pathlib.Path(__file__).with_suffix(".md")
# What the tables say in words, of the results that are kept.
FINDINGS = KEPT / "findings.md"
# By trace: all of its machines, and their days together.
WHOLE = KEPT / "whole-traces.csv"
DAY = 86400
PROFILES = ("ours-dense", "ours-balanced", "ours-careful")
BALANCED = "ours-balanced"
CLAIRVOYANT, PAYING = "clairvoyant", "clairvoyant-paying"
NO_BASELINE = (*PROFILES, CLAIRVOYANT, PAYING)
# A policy's share counts as less, and its harm as no more, only beyond what rounding makes.
SMALLEST = 1e-6
MOST_CHANGES = 12
WITHIN_CLAIRVOYANT = 0.10
WIDTH = 100


@dataclass(frozen=True)
class Resource:
    """CPU or memory: its figure of density, and those of harm."""

    name: str
    share: object
    harm: tuple


CPU = Resource("CPU", VCPU_SHARE, (UNMET_CPU,))
MEMORY = Resource("memory", MEMORY_SHARE, (UNMET_MEMORY, KILLS))
COLUMNS = (
    VCPU_SHARE, MEMORY_SHARE, PER_HOST, UNMET_CPU, UNMET_MEMORY, KILLS, CHANGES, FLAPS, UNDONE,
    FIT_P50, FIT_P99,
)  # fmt: skip
SPREAD_COLUMNS = (VCPU_SHARE, MEMORY_SHARE, UNMET_CPU, UNMET_MEMORY, KILLS, CHANGES)


def read_all(folder=KEPT):
    """The kept results by file name, in order of the names."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def joined(results):
    """One result of several of the same trace and the same settings, with all their policies."""
    first, *others = results
    for other in others:
        same = {key: value for key, value in other["settings"].items() if key != "weights"}
        if same != {key: value for key, value in first["settings"].items() if key != "weights"}:
            raise ValueError(f"settings differ: {other['settings']} and {first['settings']}")
    policies = {}
    hosts = {}
    for one in results:
        (source,) = one["sources"]
        policies |= {policy["policy"]: policy for policy in source["policies"]}
        hosts |= {use["policy"]: use for use in source["hosts"]}
    source = first["sources"][0] | {
        "policies": list(policies.values()), "hosts": list(hosts.values())
    }  # fmt: skip
    return {"settings": first["settings"], "sources": [source]}


def name_of(result):
    """The name under which a result is kept: its trace, and what was played together."""
    together = result["settings"].get("together")
    name = result["sources"][0]["source"]
    return f"{name}-{together}" if together else name


def keep(paths, folder=KEPT):
    """Keep results, joined with each other and with those that are kept; the later one counts."""
    found = {}
    for path in paths:
        result = json.loads(pathlib.Path(path).read_text())
        found.setdefault(name_of(result), []).append(result)
    folder.mkdir(parents=True, exist_ok=True)
    for name, results in found.items():
        path = folder / f"{name}.json"
        before = [json.loads(path.read_text())] if path.exists() else []
        path.write_text(json.dumps(joined([*before, *results]), indent=1) + "\n")


def keep_whole(folder, path=WHOLE):
    """Keep how many machines each trace of a folder has, and how many days these have together."""
    rows = []
    for file in traces.files(folder):
        days = [(one.time[-1] - one.time[0]) / DAY for one in traces.machines(file)]
        rows.append((traces.source_name(file), len(days), round(sum(days), 1)))
    with path.open("w", newline="") as to:
        csv.writer(to, lineterminator="\n").writerows([("trace", "machines", "vm_days"), *rows])


def read_whole(path=WHOLE):
    """By trace: all of its machines, and their days together."""
    with path.open() as rows:
        return {r["trace"]: (int(r["machines"]), float(r["vm_days"])) for r in csv.DictReader(rows)}


def played_table(results):
    """For each trace: how much of it was played."""
    whole = read_whole()
    lines = [
        "| trace | machines played, of | VM-days played, of | part of the VM-days |",
        "|---|---|---|---|",
    ]
    for result in results:
        (source,) = result["sources"]
        name, played = source["source"], source["policies"][0]["vm_days"]
        machines, days = whole[name]
        cells = (
            name,
            f"{source['machines']} of {machines}",
            f"{_number(played)} of {_number(days)}",
            f"{min(1, played / days):.0%}".replace("%", " %"),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def by_name(result):
    """The policies of a result by name, in the order of the page."""
    policies = {policy["policy"]: policy for policy in result["sources"][0]["policies"]}
    order = [*PROFILES, *(name for name in policies if name not in PROFILES)]
    return {name: policies[name] for name in order if name in policies}


def mean(policy, figure):
    """The mean of a figure over all machines; None if the trace cannot tell."""
    return policy[figure.name]["mean"]


def resources(result):
    """The resources that a trace has."""
    policies = by_name(result).values()
    return [r for r in (CPU, MEMORY) if any(mean(p, r.share) is not None for p in policies)]


def better(result, profile, resource):
    """The baselines with less of a resource at no more harm than a profile."""
    policies = by_name(result)
    ours = policies[profile]
    return [
        name
        for name, other in policies.items()
        if name not in NO_BASELINE
        and mean(other, resource.share) < mean(ours, resource.share) - SMALLEST
        and all(mean(other, harm) <= mean(ours, harm) + SMALLEST for harm in resource.harm)
    ]


def above_clairvoyant(result, profile, resource):
    """By how much a profile's share is above that of the clairvoyant that pays; 0.1 is 10 %."""
    policies = by_name(result)
    return mean(policies[profile], resource.share) / mean(policies[PAYING], resource.share) - 1


def verdict_table(results):
    """For each trace, resource and profile: which goals are reached."""
    lines = [
        "| trace | resource | profile | share | a baseline with less at no more harm "
        "| above `clairvoyant-paying` | changes a VM-day | flaps | undone |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        policies = by_name(result)
        for resource in resources(result):
            for profile in PROFILES:
                one = policies[profile]
                found = ", ".join(f"`{name}`" for name in better(result, profile, resource))
                above = above_clairvoyant(result, profile, resource)
                changes, flaps = mean(one, CHANGES), mean(one, FLAPS)
                cells = (
                    result["sources"][0]["source"],
                    resource.name,
                    profile.removeprefix("ours-"),
                    _percent(mean(one, resource.share)),
                    f"**{found}**" if found else "none",
                    _marked(f"{100 * above:+.0f} %", above <= WITHIN_CLAIRVOYANT),
                    _marked(_number(changes), profile != BALANCED or changes < MOST_CHANGES),
                    _marked(_number(flaps), flaps == 0),
                    _number(mean(one, UNDONE)),
                )
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _marked(text, is_reached):
    return text if is_reached else f"**{text}**"


def _percent(value):
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value):
    if value is None:
        return "-"
    if value and abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cell(figure, value):
    return _percent(value) if figure in (VCPU_SHARE, MEMORY_SHARE) else _number(value)


def mean_table(result):
    """The means of all figures of a trace, a row for each policy."""
    heads = " | ".join(figure.title for figure in COLUMNS)
    lines = [f"| policy | {heads} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, policy in by_name(result).items():
        cells = " | ".join(_cell(figure, mean(policy, figure)) for figure in COLUMNS)
        lines.append(f"| `{name}` | {cells} |")
    return "\n".join(lines)


def spread_table(result):
    """Half, nine of ten, and the worst machine, of the figures that differ most."""
    figures = [f for f in SPREAD_COLUMNS if any(mean(p, f) is not None for p in _policies(result))]
    heads = " | ".join(figure.title for figure in figures)
    lines = [f"| policy | {heads} |", "|---" * (len(figures) + 1) + "|"]
    for name, policy in by_name(result).items():
        cells = (
            " / ".join(_cell(figure, policy[figure.name][line]) for line in ("p50", "p90", "worst"))
            for figure in figures
        )
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _policies(result):
    return by_name(result).values()


def part_played(result):
    """In words, the part of a trace that was played."""
    settings = result["settings"]
    count, days = settings["machines"], settings["days"]
    machines = (
        "All machines" if count is None else f"{count} machines, spread evenly over the trace"
    )
    return machines if days is None else f"{machines}, at most the first {days:g} days of each"


def command(result):
    """The command that plays the same part of a trace to all policies again."""
    settings, name = result["settings"], result["sources"][0]["source"]
    options = [f"traces/{name}.csv.gz --policy all"]
    options += [f"--{key} {settings[key]:g}" for key in ("machines", "days") if settings[key]]
    return f"nova-xloud-autoscale backtest {' '.join(options)} -f json >{name}.json"


def trace_section(result):
    """All that is said of one trace."""
    (source,) = result["sources"]
    days = source["policies"][0]["vm_days"]
    notes = [f"{part_played(result)}: {source['machines']} machines, {days:,.0f} VM-days."]
    if source["has_cpu"]:
        censored = 100 * source["censored_share"]
        notes.append(f"CPU was at what was given in {censored:.1f} % of the samples.")
    if source["left_out_rows"]:
        notes.append(f"The memory of {source['left_out_rows']} samples is not used.")
    notes += [
        f"`{use['policy']}` was played on one host of {use['memory_mb']:,.0f} MiB."
        for use in source["hosts"]
    ]
    return "\n\n".join(
        (
            f"### {source['source']}",
            textwrap.fill(" ".join(notes), WIDTH, break_on_hyphens=False),
            f"    {command(result)}",
            "Means of all machines:",
            mean_table(result),
            "Half of the machines / nine of ten / the worst machine:",
            spread_table(result),
        )
    )


def host_table(results):
    """What policies did on hosts that have not room for all their machines."""
    lines = [
        "| trace | peaks | host | policy | most in use: vCPUs, memory | memory share | unmet MiB-s "
        "| OOM kills | unmet core-s | changes | flaps |",
        "|---" * 11 + "|",
    ]
    for result in results:
        (source,) = result["sources"]
        uses = {use["policy"]: use for use in source["hosts"]}
        settings = result["settings"]
        for name, policy in by_name(result).items():
            use = uses.get(name)
            figures = (MEMORY_SHARE, UNMET_MEMORY, KILLS, UNMET_CPU, CHANGES, FLAPS)
            cells = (
                f"{source['source']}, {policy['machines']} machines",
                "those of the clock" if settings["together"] == "clock" else "all at once",
                _percent(settings["host_share"]),
                f"`{name}`",
                _fullness(use) if use else "",
                *(_cell(figure, mean(policy, figure)) for figure in figures),
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _fullness(use):
    vcpus = use["most_vcpus"] / use["vcpus"]
    memory = use["most_memory_mb"] / use["memory_mb"] if use["memory_mb"] else 0.0
    return f"{100 * vcpus:.1f} %, {100 * memory:.1f} %"


def page(results):
    """The text of the page.

    :param results: the kept results, by name
    """
    single = [one for one in results.values() if not one["settings"]["together"]]
    hosts = [one for one in results.values() if one["settings"]["together"]]
    text = TEMPLATE.read_text()
    for place, part in (
        ("played", played_table(single)),
        ("verdicts", verdict_table(single)),
        ("traces", "\n\n".join(trace_section(one) for one in single)),
        ("hosts", host_table(hosts)),
        ("pictures", "\n\n".join(_picture(name) for name, one in results.items() if one in single)),
        ("findings", FINDINGS.read_text().strip() if FINDINGS.exists() else ""),
    ):
        text = text.replace(f"<!-- {place} -->", part)
    return text


def _picture(name):
    return f"![Density against harm of each policy on {name}](../images/backtest/{name}.svg)"


def write_plots(results, folder=PICTURES):
    """Draw density against harm of each trace."""
    from nova_xloud.backtest import plot

    folder.mkdir(parents=True, exist_ok=True)
    for name, result in results.items():
        if result["settings"]["together"]:
            continue
        (source,) = result["sources"]
        panels = []
        for resource in resources(result):
            points = tuple(
                (name, mean(policy, resource.share), mean(policy, resource.harm[0]))
                for name, policy in by_name(result).items()
                if mean(policy, resource.share) is not None
            )
            title = f"{source['source']}, {resource.name}"
            panels.append(plot.Panel(title, resource.share, resource.harm[0], points))
        plot.draw_panels(panels, folder / f"{name}.svg")


def main(arguments):
    """Keep the results or the traces that are named, and write the page and its plots."""
    paths = [pathlib.Path(argument) for argument in arguments]
    for folder in filter(pathlib.Path.is_dir, paths):
        keep_whole(folder)
    keep([path for path in paths if not path.is_dir()])
    results = read_all()
    PAGE.write_text(page(results))
    write_plots(results)


if __name__ == "__main__":
    main(sys.argv[1:])
