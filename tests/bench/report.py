"""The report: Markdown of the raw data that is kept. Pure, but for :func:`write`."""

import pathlib
import tomllib

from tests.bench import measures, raw
from tests.bench.figures import MET, MISSED, OURS, RATIO, UNCLEAR, summary, verdict

PAGE = raw.KEPT.parent / "benchmarks.md"
PICTURES = "images/bench"
_HEAD = pathlib.Path(__file__).with_name("page.md").read_text()
_COLUMNS = "| | theirs | ours | ratio | spread | pairs | before | goal | |"
_SAID = {MET: "met", UNCLEAR: "unclear", MISSED: "**missed**", None: ""}


def page(found, before=None, reasons=None):
    """The whole page.

    :param found: ``{measure: Raw}``
    :param before: the same, measured before something was mended
    :param reasons: ``{measure: {figure: why its goal is missed}}``
    """
    before, reasons = before or {}, reasons or {}
    machines = _machines(found.values())
    sections = [
        _section(one, found[one.name], before.get(one.name), reasons.get(one.name, {}), machines)
        for one in measures.MEASURES
        if one.name in found
    ]
    return "\n".join([_HEAD, _machine_table(machines), *sections])


def ratio_plot(measure):
    """The name of the picture of a measure's ratios."""
    return f"{measure}-ratios"


def compared(result):
    """The figures of a result that have a ratio."""
    return [one for one in result.figures if summary(one).ratio is not None]


def write(kept=raw.KEPT, to=PAGE):
    """Write the page, and its pictures beside it; returns the page's path."""
    # matplotlib takes a second to import, and a measure does not need it.
    from tests.bench import plots

    found = raw.read_all(kept)
    reasons = kept / "reasons.toml"
    why = tomllib.loads(reasons.read_text()) if reasons.exists() else {}
    folder = to.parent / PICTURES
    for one in found.values():
        title = measures.by_name()[one.measure].title
        if figures := compared(one.result):
            plots.draw_ratios(figures, ratio_plot(one.measure), title, folder)
        for plot in one.result.plots:
            plots.draw(plot, folder)
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(page(found, raw.read_all(kept / "before"), why))
    return to


def _machines(raws):
    """The machines in the order in which they come, each once."""
    machines = []
    for one in raws:
        if one.machine not in machines:
            machines.append(one.machine)
    return machines


def _machine_table(machines):
    lines = [
        "| machine | CPU | cores | memory | kernel | Python | Nova | libvirt | QEMU |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for number, one in enumerate(machines, 1):
        cells = (one[name] or "-" for name in ("kernel", "python", "nova", "libvirt", "qemu"))
        known = f"| {number} | {one['cpu']} | {one['cores']} | {one['memory_gib']} GiB | "
        lines.append(known + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _section(measure, found, before, reasons, machines):
    parts = [f"## {measure.title}\n", measure.help + "\n"]
    if found.result.figures:
        earlier = {one.name: one for one in before.result.figures} if before else {}
        rows = [_row(one, earlier.get(one.name)) for one in found.result.figures]
        parts.append("\n".join([_COLUMNS, "|---" * 9 + "|", *rows, ""]))
        parts += _explained(found.result.figures, reasons)
    parts += [_table(one) for one in found.result.tables]
    if compared(found.result):
        parts.append(_picture(measure.title, ratio_plot(measure.name)))
    parts += [_picture(one.title, one.name) for one in found.result.plots]
    parts.append(_origin(found, machines.index(found.machine) + 1, before))
    return "\n".join(parts)


def _row(figure, before):
    one = summary(figure)
    cells = (
        figure.name,
        "-" if one.theirs is None else _number(one.theirs, figure.unit),
        _number(one.ours, figure.unit),
        "-" if one.ratio is None else f"{one.ratio:.3g}",
        f"{one.low:.3g} to {one.high:.3g}",
        str(len(figure.pairs)),
        _headline(before) if before else "",
        _goal(figure.goal),
        _SAID[verdict(figure)],
    )
    return "| " + " | ".join(cells) + " |"


def _headline(figure):
    one = summary(figure)
    return _number(one.ours, figure.unit) if one.ratio is None else f"{one.ratio:.3g}"


def _goal(goal):
    if goal is None:
        return ""
    bound = f"{'>=' if goal.at_least else '<='} {goal.limit:g}"
    return bound if goal.of == RATIO else f"{'median' if goal.of == OURS else 'each'} {bound}"


def _number(number, unit):
    # Not 1.3e+03.
    digits = f"{number:.0f}" if abs(number) >= 1000 else f"{number:.3g}"
    return f"{digits} {unit}".rstrip()


def _explained(figures, reasons):
    """What stands beside what, rows that have it in common together; and why a goal is missed."""
    groups = {}
    for one in figures:
        groups.setdefault((one.what, one.beside), []).append(f"*{one.name}*")
    lines = [
        f"- {'; '.join(names)}: {what}{f', beside {beside}' if beside else ''}."
        for (what, beside), names in groups.items()
    ]
    lines += [
        f"- **{one.name}**, {_SAID[verdict(one)].strip('*')}: {reasons[one.name]}"
        for one in figures
        if verdict(one) in (MISSED, UNCLEAR) and one.name in reasons
    ]
    return ["\n".join([*lines, ""])]


def _table(table):
    lines = [
        f"{table.title}:\n",
        "| " + " | ".join(table.header) + " |",
        "|" + "---|" * len(table.header),
        *("| " + " | ".join(map(_cell, row)) + " |" for row in table.rows),
        "",
    ]
    return "\n".join(lines)


def _cell(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _picture(title, name):
    return f"![{title}]({PICTURES}/{name}.svg)\n"


def _origin(found, machine, before):
    load = " ".join(f"{one:g}" for one in found.load)
    text = (
        f"`{found.command}`, {found.date}, commit {found.commit}, machine {machine}, "
        f"load before {load}, {found.seconds:.0f} s."
    )
    if before:
        text += f" Before: commit {before.commit}, {before.date}."
    return text + "\n"
