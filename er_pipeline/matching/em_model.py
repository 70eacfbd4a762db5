"""Training blocks -> a trained Splink model: m, u and the prior."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from er_pipeline.blocking.blocks.training_facts import (
    TrainingFacts,
    training_facts,
    with_chosen_rules,
)
from er_pipeline.blocking.blocks.training_verdicts import judge_expected_mix, judge_training
from er_pipeline.blocking.records.learned_from import learned_from
from er_pipeline.blocking.records.match_share import count_agreeing_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.pictures import Grid, LevelShares, LevelWeights, Shown, numbers
from er_pipeline.blocking.tables.step import Step
from er_pipeline.blocking.tables.table import Column, Facts, Table, arrow_of
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.tables.views import all_columns
from er_pipeline.matching.comparisons import splink_comparisons
from er_pipeline.matching.em_estimates import (
    at_least,
    cautious_m,
    combine,
    estimate_chance,
    estimate_matches,
    filled_comparison,
    u_of_strangers,
    unseen_levels,
)
from er_pipeline.matching.em_sessions import (
    RECORDS,
    Session,
    free_comparisons,
    levels_of,
    number_blocks,
    run_session,
)
from er_pipeline.matching.model_facts import ModelFacts, SessionFacts, model_facts
from er_pipeline.matching.model_verdicts import CHECKS, judge_model, judge_trained_mix
from er_pipeline.matching.splink_linker import LINK_TYPES, MODEL_FILE, model_settings
from er_pipeline.matching.swapped_names import is_swapped
from er_pipeline.matching.term_frequencies import (
    FREQUENCIES,
    counted_fields,
    write_frequencies,
)


def steps(spec: PipelineSpec) -> list[Step]:
    """Declare the step that trains the model, where pairs are matched."""
    if spec.matching is None:
        return []
    rules = spec.training_conjunctions  # where the data choose, em_training_rules stands for them
    return [
        Step(
            writes=[
                Table(
                    "em_model",
                    "The trained model: what every level of agreement says.",
                    _columns(tuple(spec.comparison_fields)),
                    all_columns("em_model"),
                    stays_in_force=spec.keeps_learned,
                ),
                replace(FREQUENCIES, stays_in_force=spec.keeps_learned),
            ],
            reads=["cleaned_records", "em_training_blocks", "em_training_rules"],
            settings=[
                [[rule.name, rule.source_columns] for rule in rules],
                spec.comparisons,
                spec.field_kinds,
                spec.link_mode,
                len(spec.sources),
                spec.seed,
                spec.matching.trained_by(),
                spec.checks.max_training_pairs,
                spec.checks.match_share_fail,
            ],
            run=partial(train_model, spec=spec),
            stage="training",
            checks=CHECKS,
            judge=partial(_judge, spec=spec),
            show=_show,
            tolerates=["em_training_rules", "em_training_blocks"],
        )
    ]


def _columns(compared: tuple[str, ...]) -> list[Column]:
    return [
        Column("comparison", "VARCHAR", "The field compared", allowed=compared),
        Column("level", "SMALLINT", "0: other values; the highest: equal ones", minimum=0),
        Column("label", "VARCHAR", "What values on the level are like"),
        Column("m", "DOUBLE", "Share of the matches on the level", minimum=0),
        Column("u", "DOUBLE", "Share of all other pairs on it", minimum=0),
        Column("match_weight", "DOUBLE", "log2(m / u): what it says for a match, in bits"),
        Column("condition", "VARCHAR", "The level's SQL over <field>_l and <field>_r"),
    ]


def train_model(engine: Engine, lake: Lake, spec: PipelineSpec) -> Facts:
    """Train the model on the training rules; write em_model and term_frequencies.

    Reads cleaned_records, em_training_blocks and em_training_rules. Writes em_model (comparison,
    level, label, m, u, match_weight, condition), one row per level, the level of equal values being
    the highest; model.json beside it is the whole model, for Splink, but for the frequencies, see
    `write_frequencies`. The same records, settings and seed give the same model, whatever the
    number of threads.
    Returns the facts kept beside the table: "sessions", "prior", "expected_matches", "levels",
    "untrained": what has a value that no pair taught, and "unusable": why the model must not be
    used. A rule that fixes every compared field teaches nothing and gets no session.

    Where the rules cannot train one, em_model is empty and unusable: the pairs do not hang on it.
    """
    lake.open(engine, "cleaned_records")
    lake.open(engine, "em_training_blocks")
    given = training_facts(lake)
    spec = with_chosen_rules(spec, lake)
    if why := _why_untrainable(given, spec):
        return _write_model(engine, lake, _no_model(why), {}, [])
    rules = given["rules"]
    pairs = {
        i: rules[rule.name]["pairs"]
        for i, rule in enumerate(spec.training_conjunctions)
        if rules[rule.name]["pairs"]
    }
    teaching = {i: n for i, n in pairs.items() if free_comparisons(spec, i)}
    if not teaching:
        what = "leaves a comparison free" if pairs else "makes a pair"
        why = (
            f"no training rule {what}: correct training_rules;"
            " `er-pipeline training-rules` proposes some for a defs.yaml"
        )
        return _write_model(engine, lake, _no_model(why), {}, [])
    number_blocks(engine, spec)
    comparisons = splink_comparisons(spec)
    n_possible = max(1.0, count_agreeing_pairs(engine, spec.link_mode, RECORDS, []))
    chance = estimate_chance(engine, spec, comparisons, n_possible)
    first = [
        filled_comparison(comparison, None, at_least(seen, 0.5 / n_possible))
        for comparison, seen in zip(comparisons, chance, strict=True)
    ]
    sessions = [run_session(engine, spec, i, n, first) for i, n in teaching.items()]
    m, untrained = combine(comparisons, sessions)
    matches, estimates = estimate_matches(engine, spec, sessions, first, m)
    prior = min(0.5, max(matches, 1.0) / n_possible)
    trained = []
    for comparison, seen in zip(comparisons, chance, strict=True):
        name = comparison["output_column_name"]
        u = u_of_strangers(seen, m[name], prior)
        swapped = [i for i, level in enumerate(levels_of(comparison)) if is_swapped(level)]
        cautious = cautious_m(m[name], u, unseen_levels(name, sessions), swapped)
        trained.append(filled_comparison(comparison, cautious, u))
    model = model_settings(spec, trained, round(prior, 12), LINK_TYPES[spec.link_mode])
    facts = ModelFacts(
        prior=prior,
        expected_matches=round(matches, 1),
        matches_by_rules=estimates,
        sessions=[_session_facts(session, spec) for session in sessions],
        untrained=untrained,
        untrained_levels=len(untrained),
        levels=_levels(trained),
        learned_from=learned_from(engine, spec.field_kinds),
        unusable="",
    )
    mix = judge_trained_mix(facts, spec)
    if not mix.passed and mix.severity == "error":
        facts["unusable"] = mix.text
    return _write_model(engine, lake, facts, model, trained)


def _why_untrainable(rules: TrainingFacts, spec: PipelineSpec) -> str:
    """Say why the rules must not train a model; empty if they may."""
    verdicts = [*judge_training(rules, spec), judge_expected_mix(rules, spec)]
    failed = [v.text for v in verdicts if not v.passed and v.severity == "error"]
    return failed[0] if failed else ""


def _no_model(why: str) -> ModelFacts:
    return ModelFacts(
        prior=0.0,
        expected_matches=0.0,
        matches_by_rules={},
        sessions=[],
        untrained=[],
        untrained_levels=0,
        levels={},
        unusable=why,
    )


def _write_model(
    engine: Engine,
    lake: Lake,
    facts: ModelFacts,
    model: Mapping[str, Any],
    trained: Sequence[Mapping[str, Any]],
) -> Facts:
    with lake.writing("em_model", facts) as draft:
        (draft.folder / MODEL_FILE).write_text(json.dumps(model, indent=1), "utf-8")
        engine.put("model_rows", arrow_of(_columns(()), _rows(trained)))
        engine.write("select * from model_rows", draft.file())
    write_frequencies(engine, lake, counted_fields(model) if model else [], RECORDS)
    return dict(facts)


def _session_facts(session: Session, spec: PipelineSpec) -> SessionFacts:
    return {
        "rule": session.rule,
        "pairs": session.pairs,
        "match_share": session.match_share,
        "iterations": session.iterations,
        "converged": session.converged,
        "trained": list(session.m),
        "left_out": [name for name in spec.comparison_fields if name not in session.m],
        "m": {name: list(shares) for name, shares in session.m.items()},
    }


def _levels(comparisons: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, float]]]:
    """Give every level's m, u and match weight by comparison, that of equal values first."""
    return {
        comparison["output_column_name"]: [
            {
                "m": level["m_probability"],
                "u": level["u_probability"],
                "match_weight": _match_weight(level),
            }
            for level in levels_of(comparison)
        ]
        for comparison in comparisons
    }


def _match_weight(level: Mapping[str, Any]) -> float:
    return round(math.log2(level["m_probability"] / level["u_probability"]), 6)


def _rows(comparisons: Sequence[Mapping[str, Any]]) -> Iterator[tuple[object, ...]]:
    """Give the rows of em_model."""
    for comparison in comparisons:
        levels = levels_of(comparison)
        for i, level in enumerate(levels):
            yield (
                comparison["output_column_name"],
                len(levels) - 1 - i,
                level["label_for_charts"],
                level["m_probability"],
                level["u_probability"],
                _match_weight(level),
                level["sql_condition"],
            )


def _judge(engine: Engine, lake: Lake, spec: PipelineSpec) -> Iterable[Verdict]:
    return judge_model(model_facts(lake), spec)


def _show(facts: Facts) -> Mapping[str, Shown]:
    if not facts["levels"]:
        return {"unusable": str(facts["unusable"])}
    sessions: list[SessionFacts] = facts["sessions"]
    rows = [
        (
            session["rule"],
            f"{session['pairs']:,}",
            f"{session['match_share']:.2%}",
            f"{session['iterations']}{'' if session['converged'] else ', not converged'}",
            ", ".join(session["trained"]),
            ", ".join(session["left_out"]),
        )
        for session in sessions
    ]
    header = ("session", "pairs", "matches", "iterations", "trained", "left out")
    shares = [
        (name, session["rule"], f"{m[0]:.3f}", f"{m[-1]:.3f}")
        for session in sessions
        for name, m in session["m"].items()
        if m[0] is not None and m[-1] is not None
    ]
    return {
        **numbers(facts),
        **{f"match_share_{session['rule']}": session["match_share"] for session in sessions},
        "match_weights": LevelWeights(facts["levels"]),
        "m_and_u": LevelShares(facts["levels"]),
        "sessions": Grid(header, rows),
        "m_by_session": Grid(
            ("comparison", "session", "m: equal values", "m: other values"), sorted(shares)
        ),
    }
