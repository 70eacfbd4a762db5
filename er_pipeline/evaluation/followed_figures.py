"""Followed figures: those that people compare from run to run, and what they were in each run."""

from collections.abc import Mapping
from dataclasses import dataclass

from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.evaluation.page.page_parts import percent


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


@dataclass(frozen=True)
class PastRun:
    """A run that made a report. at: when, in UTC, as ISO 8601 has it. values: metric -> figure."""

    run_id: str
    at: str
    values: Mapping[str, float]


def flat_figures(figures: Mapping[str, object]) -> dict[str, float]:
    """Put the figures of the whole run together, as run_metrics names them.

    figures: of the table blocking_report.
    """
    flat: dict[str, float] = {}
    for section in ("run", "matching", "recall", "recall_interval"):
        found = figures.get(section, {})
        if isinstance(found, Mapping):
            flat |= {name: float(value) for name, value in found.items()}
    return flat


def change_text(figure: Figure, now: float, before: float | None) -> str:
    """Write by how much a figure changed: = or +3.1% or -0.20 points."""
    if before is None:
        return ""
    if now == before:
        return "="
    if figure.is_share:
        return f"{100 * (now - before):+.2f} points"
    return f"{now / before - 1:+.1%}" if before else "new"


def past_runs(engine: Engine, most: int | None = None) -> list[PastRun]:
    """Read the followed figures of the last runs that made a report, oldest first.

    Reads the engine's run_metrics. most: runs, if not all.
    """
    names = ", ".join(f"'{figure.metric}'" for figure in FIGURES)
    of_report = "select * from run_metrics where table_name = 'blocking_report'"
    rows = engine.rows(
        f"""
        with last_runs as (
            select run_id, max("at") as made from ({of_report}) group by run_id
            order by made desc, run_id {"" if most is None else f"limit {most}"}
        )
        select l.run_id, strftime(l.made at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ'), m.metric,
            m.value
        from ({of_report}) as m join last_runs as l on l.run_id = m.run_id
        where m.metric in ({names}) order by l.made, l.run_id, m.metric
        """
    )
    values: dict[tuple[str, str], dict[str, float]] = {}
    for run_id, at, metric, value in rows:
        values.setdefault((run_id, at), {})[metric] = value
    return [PastRun(run_id, at, of_run) for (run_id, at), of_run in values.items()]
