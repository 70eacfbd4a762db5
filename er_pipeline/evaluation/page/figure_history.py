"""The figures of a run beside those of the runs before it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.evaluation.page.page_parts import Chart, Listing, Part, RunOnPage, Section, percent
from er_pipeline.evaluation.page.vega_charts import small_multiples

# Four weeks of nights: as many as show a rhythm of weeks.
RUNS_SHOWN = 28


@dataclass(frozen=True)
class Figure:
    """A figure that people follow: as run_metrics calls it, as a title, and how it is written.

    is_drawn: whether its history is drawn, too.
    """

    metric: str
    title: str
    is_share: bool = False
    is_drawn: bool = False

    @property
    def axis(self) -> str:
        """Its title with the unit."""
        return f"{self.title}, in %" if self.is_share else self.title

    @property
    def scale(self) -> int:
        """What a value is multiplied by where it is drawn."""
        return 100 if self.is_share else 1

    def text(self, value: float) -> str:
        """Write a value of it."""
        if self.is_share:
            return percent(value, 2)
        return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.3g}"


FIGURES = (
    Figure("records", "Records", is_drawn=True),
    Figure("rejected_rows", "Rejected rows"),
    Figure("pairs", "Candidate pairs", is_drawn=True),
    Figure("pairs_per_record", "Pairs per record"),
    Figure("reduction_ratio", "Reduction ratio", is_share=True),
    Figure("key_coverage", "Records with a key", is_share=True),
    Figure("block_coverage", "Records in a block that is compared", is_share=True),
    Figure("pair_coverage", "Records with a candidate", is_share=True, is_drawn=True),
    Figure("pairs_avoided_by_the_cap", "Pairs avoided by the cap"),
    Figure("pairs_cut_by_the_budget", "Pairs cut by the budget"),
    Figure("pairs_completeness", "Pairs completeness", is_share=True, is_drawn=True),
    Figure("pairs_quality", "Pairs quality", is_share=True),
    Figure("recall_low", "Recall without truth, at least", is_share=True),
    Figure("matches", "Matches", is_drawn=True),
    Figure("entities", "Entities", is_drawn=True),
    Figure("largest_entity", "Records of the largest entity"),
    Figure("match_f1", "F1 at the threshold", is_share=True),
    Figure("match_precision", "Precision at the threshold", is_share=True),
    Figure("match_recall", "Recall at the threshold", is_share=True),
)


def figures_section(run: RunOnPage) -> Section:
    """Show the figures of this run, those of the one before, and the last runs drawn."""
    title = "How large is it, and how did it change?"
    now = _flat(run.figures)
    history = _history(run)
    if not now:
        return Section("Figures", title, "There are no figures: no table of this run is good.")
    before = history[-2][1] if len(history) > 1 else {}
    rows = [
        (
            figure.title,
            figure.text(now[figure.metric]),
            figure.text(before[figure.metric]) if figure.metric in before else "",
            _change(figure, now[figure.metric], before.get(figure.metric)),
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


def _change(figure: Figure, now: float, before: float | None) -> str:
    if before is None:
        return ""
    if now == before:
        return "="
    if figure.is_share:
        return f"{100 * (now - before):+.2f} points"
    return f"{now / before - 1:+.1%}" if before else "new"


def _flat(figures: Mapping[str, object]) -> dict[str, float]:
    """Put the figures of the whole run together, as run_metrics names them."""
    flat: dict[str, float] = {}
    for section in ("run", "matching", "recall", "recall_interval"):
        found = figures.get(section, {})
        if isinstance(found, Mapping):
            flat |= {name: float(value) for name, value in found.items()}
    return flat


def _history(run: RunOnPage) -> list[tuple[str, dict[str, float]]]:
    """Read the figures of the last runs, oldest first: (moment, metric -> value)."""
    if not run.lake.has("run_metrics"):
        return []
    run.lake.open(run.engine, "run_metrics")
    names = ", ".join(f"'{figure.metric}'" for figure in FIGURES)
    of_report = "select * from run_metrics where table_name = 'blocking_report'"
    rows = run.engine.rows(
        f"""
        with last_runs as (
            select run_id, max("at") as made from ({of_report}) group by run_id
            order by made desc, run_id limit {RUNS_SHOWN}
        )
        select strftime(l.made at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ'), m.metric, m.value
        from ({of_report}) as m join last_runs as l on l.run_id = m.run_id
        where m.metric in ({names}) order by l.made, l.run_id, m.metric
        """
    )
    return list(_by_run(rows))


def _by_run(
    rows: list[tuple[str, str, float]],
) -> Iterator[tuple[str, dict[str, float]]]:
    by_run: dict[str, dict[str, float]] = {}
    for at, metric, value in rows:
        by_run.setdefault(at, {})[metric] = value
    yield from by_run.items()
