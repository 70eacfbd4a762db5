"""Lower thresholds: what each would find of the missed pairs, and what it costs in precision."""

from er_pipeline.blocking.tables.engine import Engine

# Without truth no threshold below it is offered: of such pairs the model says that they are
# likelier no match, which a label or another comparison may outweigh, and a threshold may not.
LEAST_WITHOUT_TRUTH = 0.5


def lower_thresholds(
    engine: Engine,
    missed: str,
    threshold: float,
    least_precision: float,
    steps: str,
    truth: str | None,
) -> tuple[str, str]:
    """Offer a lower threshold to the candidates that score below it; its cost are new matches.

    missed: engine table (left_no, right_no, stage, match_probability). least_precision: steps that
    leave less are not offered. steps: engine table to make. truth: engine table of all true pairs;
    without one the model's own probabilities stand for it: a step's new matches may be expected to
    hold no more false ones than are allowed of all, and none is below `LEAST_WITHOUT_TRUTH`.
    Reads the engine's matches.
    Returns the queries of the options (left_no, right_no, remedy) and costs (remedy, pairs, finds).
    """
    two_digits = "floor({0} * 100) / 100"
    step = f"case when {{0}} >= 0.01 then {two_digits} else pow(10, floor(log10({{0}}))) end"
    engine.make_table(
        "unscored_true",
        f"select left_no, right_no, {step.format('match_probability')} as step"
        f" from {missed} where stage = 'below_threshold' and match_probability > 0",
    )
    is_true, join = "0", ""
    if truth is not None:
        is_true = "case when t.left_no is null then 0 else 1 end"
        join = f" left join {truth} as t on t.left_no = m.left_no and t.right_no = m.right_no"
    engine.make_table(
        "scores_by_truth",
        f"select m.match_probability, {is_true} as is_true from matches as m{join}"
        " where m.match_probability > 0",
    )
    ledger = (
        f"select {step.format('match_probability')} as step, count(*) as pairs,"
        " sum(is_true) as n_true, sum(1 - match_probability) as n_false from scores_by_truth"
        f" where match_probability < {threshold!r}"
        " group by 1"
    )
    n_matches, n_right = engine.row(
        "select count(*), coalesce(sum(is_true), 0)::bigint from scores_by_truth"
        f" where match_probability >= {threshold!r}"
    )
    most_false = f"{1 - least_precision!r} * ({n_matches} + pairs)"
    precision = ""
    enough = f"step >= {LEAST_WITHOUT_TRUTH} and n_false <= {most_false}"
    if truth is not None:
        before = "printf('%.1f%% to ', 100 * before)" if n_matches else "''"
        precision = f" || '; precision ' || {before} || printf('%.1f%%', 100 * after)"
        enough = f"after >= {least_precision!r}"
    engine.make_table(
        steps,
        f"""
        with counted as (
            select step, 0 as pairs, 0 as n_true, 0::double as n_false, count(*) as finds
            from unscored_true group by step
            union all select step, pairs, n_true, n_false, 0 from ({ledger})
        ),
        running as (
            select step, sum(finds) as own, sum(sum(pairs)) over (order by step desc) as pairs,
                sum(sum(n_true)) over (order by step desc) as n_true,
                sum(sum(n_false)) over (order by step desc) as n_false,
                sum(sum(finds)) over (order by step desc) as finds
            from counted group by step
        ),
        precise as (
            select *, ({n_right} + n_true) / greatest({n_matches} + pairs, 1)::double as after,
                {n_right} / greatest({n_matches}, 1)::double as before
            from running where own > 0
        )
        select step, cast(pairs as bigint) as pairs, cast(finds as bigint) as finds,
            'matching: threshold ' || step || ' (+' || format('{{:,}}', cast(pairs as bigint))
                || ' matches'{precision} || ')' as remedy
        from precise where {enough}
        """,
    )
    return (
        f"select u.left_no, u.right_no, t.remedy from unscored_true as u join {steps} as t"
        " on t.step = u.step",
        f"select remedy, pairs, finds from {steps}",
    )
