"""What training found: m, u and match weights by level, and what every session taught."""

from er_pipeline.blocking.tables.pictures import Grid
from er_pipeline.blocking.tables.printable import count_of
from er_pipeline.evaluation.page.model_charts import (
    level_name,
    session_dots,
    shares_by_level,
    weight_bars,
)
from er_pipeline.evaluation.page.page_parts import (
    Chart,
    Listing,
    Part,
    RunOnPage,
    Section,
    percent,
)
from er_pipeline.matching.model_facts import model_facts


def training_section(run: RunOnPage) -> Section:
    """Show the model that scores the pairs."""
    title = "What did the model learn?"
    if run.spec.matching is None:
        return Section("Training", title, "Nothing: `matching` is off, so no model is trained.")
    if not run.has("em_model"):
        return Section("Training", title, "Not known: the table em_model is not good.")
    facts = model_facts(run.lake)
    answer = (
        f"{count_of(len(facts['sessions']), 'session')} trained it; of two records drawn at random"
        f" one pair in {1 / max(facts['prior'], 1e-300):,.0f} is a match, about"
        f" {facts['expected_matches']:,.0f} in all."
    )
    if facts["untrained"]:
        answer += f" No session could train {', '.join(facts['untrained'])}."
    run.open("em_model")
    found = run.engine.rows(
        "select comparison, label, m, u, match_weight from em_model where m is not null"
        " and u is not null and match_weight is not null order by comparison, level desc"
    )
    order = list(dict.fromkeys([*run.spec.comparison_fields, *(row[0] for row in found)]))
    levels = [
        {"name": f"{field}: {level_name(label, field)}", "bits": round(bits, 3), "m": m, "u": u}
        for field, label, m, u, bits in sorted(found, key=lambda row: order.index(row[0]))
    ]
    parts: list[Part] = []
    if levels:
        about = "What a level of agreement says for a match, or against one."
        parts.append(Chart("Match weights", weight_bars(levels), about))
        about = (
            "m: how often matches are at a level; u: how often other pairs are. The further apart,"
            " the more the level says."
        )
        parts.append(Chart("m and u", shares_by_level(levels), about))
    grid = Grid(
        ("session", "pairs", "share of matches", "iterations", "converged", "trained"),
        [
            (
                session["rule"],
                f"{session['pairs']:,}",
                percent(session["match_share"]),
                f"{session['iterations']:,}",
                "yes" if session["converged"] else "no",
                ", ".join(session["trained"]),
            )
            for session in facts["sessions"]
        ],
    )
    parts.append(Listing("Training sessions", grid))
    dots = [
        {"field": field, "session": session["rule"], "m": found[0]}
        for session in facts["sessions"]
        for field, found in session["m"].items()
        if found and found[0] is not None
    ]
    if len({dot["session"] for dot in dots}) > 1:
        about = "Sessions that see the same matches agree; where they are far apart, look at rules."
        parts.append(Chart("What each session found", session_dots(dots), about))
    return Section("Training", title, answer, parts)
