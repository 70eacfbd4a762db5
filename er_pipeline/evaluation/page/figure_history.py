"""The figures of a run beside those of the runs before it."""

from collections.abc import Mapping

from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.evaluation.followed_figures import (
    FIGURES,
    change_text,
    flat_figures,
    past_runs,
)
from er_pipeline.evaluation.page.page_parts import Chart, Listing, Part, RunOnPage, Section
from er_pipeline.evaluation.page.vega_charts import small_multiples

# Four weeks of nights: as many as show a rhythm of weeks.
RUNS_SHOWN = 28


def figures_section(run: RunOnPage) -> Section:
    """Show the figures of this run, those of the one before, and the last runs drawn."""
    title = "How large is it, and how did it change?"
    now = flat_figures(run.figures)
    history = _history(run)
    if not now:
        return Section("Figures", title, "There are no figures: no table of this run is good.")
    before = history[-2][1] if len(history) > 1 else {}
    rows = [
        (
            figure.title,
            figure.text(now[figure.metric]),
            figure.text(before[figure.metric]) if figure.metric in before else "",
            change_text(figure, now[figure.metric], before.get(figure.metric)),
        )
        for figure in FIGURES
        if figure.metric in now
    ]
    answer = f"{now['records']:,.0f} records"
    if "pairs" in now:
        answer += (
            f" make {now['pairs']:,.0f} candidate pairs, {now['pairs_per_record']:,.1f} per record"
        )
    if "matches" in now:
        answer += f", and {now['matches']:,.0f} matches"
    header = ("figure", "this run", "the run before", "change")
    shown = len(header) if before else 2
    grid = Grid(header[:shown], [row[:shown] for row in rows])
    parts: list[Part] = [Listing("Figures", grid)]
    drawn = [
        {"run": at, "figure": figure.axis, "value": figure.scale * values[figure.metric]}
        for figure in FIGURES
        if figure.is_drawn
        for at, values in history
        if figure.metric in values
    ]
    if len(history) > 1:
        about = f"The last {len(history)} runs that made new tables, each with an axis of its own."
        parts.append(Chart("History", small_multiples(drawn, "run", "value", "figure"), about))
    else:
        parts.append("This is the first run; from the second on their history is drawn here.")
    return Section("Figures", title, answer + ".", parts)


def _history(run: RunOnPage) -> list[tuple[str, Mapping[str, float]]]:
    """Read the figures of the last runs, oldest first: (moment, metric -> value)."""
    if not run.lake.has("run_metrics"):
        return []
    run.lake.open(run.engine, "run_metrics")
    return [(past.at, past.values) for past in past_runs(run.engine, RUNS_SHOWN)]
