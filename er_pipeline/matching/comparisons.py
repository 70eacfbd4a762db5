"""Comparisons: how the values of a field are graded, by its kind, in levels of Splink's library.

A comparison has the levels missing, equal, one or more of near, and other. All of them read cleaned
text columns, so no format needs parsing for each pair.
"""

from typing import Any

from er_pipeline.blocking.spec.declared_comparisons import names_in_either_order
from er_pipeline.blocking.spec.matching_section import Comparison
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.sql import literal, quoted
from er_pipeline.blocking.values.pair_conditions import parse_condition
from er_pipeline.matching.swapped_names import SWAPPED, swapped_sql

# What a kind of field is compared by. Values of kinds with term_frequency repeat, common ones more.
BY_KIND: dict[str, Comparison] = {
    "person_name": Comparison(levels="jaro_winkler", thresholds=[0.92, 0.8], term_frequency=True),
    "company": Comparison(levels="jaro_winkler", thresholds=[0.92, 0.8], term_frequency=True),
    "address": Comparison(levels="jaro_winkler", thresholds=[0.92, 0.8], term_frequency=True),
    "text": Comparison(levels="words", thresholds=[0.7, 0.4], term_frequency=True),
    "email": Comparison(levels="email"),
    "phone": Comparison(levels="damerau_levenshtein", thresholds=[1, 2]),
    "emails": Comparison(levels="any_value"),
    "phones": Comparison(levels="any_value"),
    "date": Comparison(levels="date"),
    "identifier": Comparison(levels="damerau_levenshtein", thresholds=[1, 2], term_frequency=True),
    "number": Comparison(levels="relative", thresholds=[0.01, 0.1], term_frequency=True),
}
# Thresholds where only the levels are given.
DEFAULT_THRESHOLDS: dict[str, list[float]] = {
    "jaro_winkler": [0.92, 0.8],
    "jaro": [0.9, 0.7],
    "jaccard": [0.9, 0.7],
    "words": [0.7, 0.4],
    "levenshtein": [1, 2],
    "damerau_levenshtein": [1, 2],
    "relative": [0.01, 0.1],
}
SIMILAR_EMAIL = 0.9  # Jaro-Winkler
# Below the levels of common words stand these, of Jaro-Winkler: a text may be a single word. On
# dblp_acm common words lift F1 at 0.95 from .80 to .91, beside Jaro-Winkler alone.
OF_ONE_WORD = (0.92, 0.8)

# Characters of a value that are compared. What two texts have in common is seen in so many; lists
# of words and edits grow with the length, and 500 of them made training take minutes.
MOST_COMPARED = 120


def compared_value(field: str, of: str = "") -> str:
    """Write the column of a field as it is compared: its first characters, under its own name.

    of: the alias of its table, with a dot.
    """
    return f"left({of}{quoted(field)}, {MOST_COMPARED}) as {quoted(field)}"


def comparison_of(spec: PipelineSpec, field: str) -> Comparison:
    """Give a field's comparison as declared, completed by that of its kind."""
    declared = (spec.comparisons or {}).get(field, Comparison())
    by_kind = BY_KIND[spec.field_kinds[field]]
    levels = declared.levels or by_kind.levels
    assert levels is not None, "every kind has levels"
    thresholds = declared.thresholds
    if thresholds is None:
        same = levels == by_kind.levels
        thresholds = by_kind.thresholds if same else DEFAULT_THRESHOLDS.get(levels)
    frequency = declared.term_frequency
    if frequency is None:
        frequency = bool(by_kind.term_frequency)
    return Comparison(
        levels=levels, thresholds=thresholds, term_frequency=frequency, sql=declared.sql
    )


def splink_comparisons(spec: PipelineSpec) -> list[dict[str, Any]]:
    """Write the comparison of every compared field as Splink's settings have it, untrained.

    Each is called after its field; its levels read columns of cleaned_records only, spelled as the
    fields are.
    """
    return [splink_comparison(spec, field) for field in spec.comparison_fields]


def splink_comparison(spec: PipelineSpec, field: str) -> dict[str, Any]:
    """Write one field's comparison as Splink's settings have it."""
    import splink.comparison_level_library as levels
    import splink.comparison_library as library

    comparison = comparison_of(spec, field)
    frequency = field if comparison.term_frequency else None
    equal = levels.ExactMatchLevel(field).configure(tf_adjustment_column=frequency)
    swapped: list[Any] = []
    names = names_in_either_order(spec)
    if field in names:
        (other,) = (name for name in names if name != field)
        swapped = [
            levels.CustomLevel(swapped_sql(field, other), f"{SWAPPED}{other}").configure(
                fix_m_probability=field != names[0]  # the first of the two says it for both
            )
        ]
    near = [
        levels.CustomLevel(parse_condition(condition, tuple(spec.field_kinds))[0], condition)
        for condition in comparison.sql
    ]
    near += [levels.CustomLevel(condition, label) for condition, label in _near(comparison, field)]
    written: dict[str, Any] = library.CustomComparison(
        output_column_name=field,
        comparison_description=f"{spec.field_kinds[field]} by {comparison.levels}",
        comparison_levels=[levels.NullLevel(field), equal, *swapped, *near, levels.ElseLevel()],
    ).create_comparison_dict("duckdb")
    return written


def _near(comparison: Comparison, field: str) -> list[tuple[str, str]]:
    """List (condition, label) of the levels between equal and other, nearest first."""
    left, right = quoted(f"{field}_l"), quoted(f"{field}_r")
    if comparison.levels == "exact":
        return []
    if comparison.levels == "email":
        user, other_user = (f"split_part({column}, '@', 1)" for column in (left, right))
        return [
            (f"{user} = {other_user}", "same user"),
            (f"jaro_winkler_similarity({left}, {right}) >= {SIMILAR_EMAIL}", "similar"),
        ]
    if comparison.levels == "any_value":
        values, others = (f"string_split({column}, ' ')" for column in (left, right))
        return [(f"list_has_any({values}, {others})", "a value in common")]
    if comparison.levels == "date":
        return [
            (_within_edits(left, right, 1), "one edit"),
            (_within_edits(left, right, 2), "two edits"),
            (f"substr({left}, 1, 4) = substr({right}, 1, 4)", "same year"),
        ]
    if comparison.levels == "damerau_levenshtein":
        return [
            (_within_edits(left, right, int(edits)), f"edits <= {edits:g}")
            for edits in comparison.thresholds or []
        ]
    if comparison.levels == "relative":
        return [
            (_within_share(left, right, share), f"differ by <= {share:g} of the larger")
            for share in comparison.thresholds or []
        ]
    if comparison.levels == "words":
        shared = [
            (_shared_words(left, right, share), f"common words >= {share:g}")
            for share in comparison.thresholds or []
        ]
        return shared + [
            (f"jaro_winkler_similarity({left}, {right}) >= {least:g}", f"jaro_winkler >= {least:g}")
            for least in OF_ONE_WORD
        ]
    call = {
        "jaro_winkler": "jaro_winkler_similarity",
        "jaro": "jaro_similarity",
        "jaccard": "jaccard",
        "levenshtein": "levenshtein",
    }[str(comparison.levels)]
    edits = "levenshtein" in call
    return [
        (
            f"{call}({left}, {right}) {'<=' if edits else '>='} {threshold:g}",
            f"{call.removesuffix('_similarity')} {'<=' if edits else '>='} {threshold:g}",
        )
        for threshold in comparison.thresholds or []
    ]


def _within_edits(left: str, right: str, edits: int) -> str:
    # An edit of Damerau's is at most two of Levenshtein's, who is seven times cheaper and looks
    # first.
    return (
        f"levenshtein({left}, {right}) <= {2 * edits}"
        f" and damerau_levenshtein({left}, {right}) <= {edits}"
    )


def _within_share(left: str, right: str, share: float) -> str:
    one, other = (f"try_cast({column} as double)" for column in (left, right))
    return f"abs({one} - {other}) <= {share:g} * greatest(abs({one}), abs({other}))"


def _shared_words(left: str, right: str, share: float) -> str:
    """Write that two texts of several words share so many of all their words: Jaccard's index."""
    words, others = f"string_split({left}, ' ')", f"string_split({right}, ' ')"
    # |A and B| >= share * |A or B|, as |A| + |B| >= (1 + share) * |A or B|; what is cheap is first.
    return (
        f"contains({left}, ' ') and contains({right}, ' ') and list_has_any({words}, {others})"
        f" and list_unique({words}) + list_unique({others})"
        f" >= {1 + share:g} * list_unique(string_split({left} || ' ' || {right}, ' '))"
    )


def comparison_text(spec: PipelineSpec, field: str) -> str:
    """Say how a field is compared, in a few words."""
    comparison = comparison_of(spec, field)
    text = str(comparison.levels)
    if comparison.thresholds:
        text += f" {', '.join(f'{threshold:g}' for threshold in comparison.thresholds)}"
    if field in names_in_either_order(spec):
        text += ", swapped names"
    text += "".join(f", {literal(condition)}" for condition in comparison.sql)
    return text + (", term frequency" if comparison.term_frequency else "")
