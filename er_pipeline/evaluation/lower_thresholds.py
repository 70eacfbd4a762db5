"""Lower thresholds: what each would find of the missed pairs, and what it costs in precision."""

from er_pipeline.blocking.tables.engine import Engine


def lower_thresholds(
    engine: Engine, missed: str, threshold: float, least_precision: float, steps: str
) -> tuple[str, str]:
    """Offer a lower threshold to the candidates that score below it; its cost are new matches.

    missed: engine table (left_no, right_no, stage, match_probability). least_precision: steps that
    leave less are not offered. steps: engine table to make. Reads the engine's matches and
    true_pairs.
    Returns the queries of the options (left_no, right_no, remedy) and costs (remedy, pairs, finds).
    """
    two_digits = "floor({0} * 100) / 100"
    step = f"case when {{0}} >= 0.01 then {two_digits} else pow(10, floor(log10({{0}}))) end"
    engine.make_table(
        "unscored_true",
        f"select left_no, right_no, {step.format('match_probability')} as step"
        f" from {missed} where stage = 'below_threshold' and match_probability > 0",
    )
    ledger = (
        f"select {step.format('match_probability')} as step, count(*) as pairs from matches"
        f" where match_probability < {threshold!r} and match_probability > 0 group by 1"
    )
    n_matches, n_right = engine.row(
        "select count(*), count(t.left_no) from matches as m left join true_pairs as t"
        " on t.left_no = m.left_no and t.right_no = m.right_no"
        f" where m.match_probability >= {threshold!r}"
    )
    engine.make_table(
        steps,
        f"""
        with counted as (
            select step, 0 as pairs, count(*) as finds from unscored_true group by step
            union all select step, pairs, 0 from ({ledger})
        ),
        running as (
            select step, sum(finds) as own, sum(sum(pairs)) over (order by step desc) as pairs,
                sum(sum(finds)) over (order by step desc) as finds
            from counted group by step
        ),
        precise as (
            select *, ({n_right} + finds) / greatest({n_matches} + pairs, 1)::double as after,
                {n_right} / greatest({n_matches}, 1)::double as before
            from running where own > 0
        )
        select step, cast(pairs as bigint) as pairs, cast(finds as bigint) as finds,
            'matching: threshold ' || step || ' (+' || format('{{:,}}', cast(pairs as bigint))
                || ' matches; precision ' || case when {n_matches} > 0
                    then printf('%.1f%% to ', 100 * before) else '' end
                || printf('%.1f%%', 100 * after) || ')' as remedy
        from precise where after >= {least_precision!r}
        """,
    )
    return (
        f"select u.left_no, u.right_no, t.remedy from unscored_true as u join {steps} as t"
        " on t.step = u.step",
        f"select remedy, pairs, finds from {steps}",
    )
