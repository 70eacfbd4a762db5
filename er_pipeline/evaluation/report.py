"""The report of a run, as the terminal shows it."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

from er_pipeline.blocking.pairs.ranked_facts import A_MILLION
from er_pipeline.blocking.records.emptied_values import examples_text

# Changes that would find missed pairs; the asset missed_matches shows more.
REMEDIES_SHOWN = 5
# Links that the largest entity hangs on, weakest first; the asset entities shows more.
LINKS_SHOWN = 3


def report_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """Write the figures of `evaluate` for people, line by line."""
    run = figures.get("run", {})
    if "strategies" not in figures:  # there are no candidate pairs
        if run:
            yield f"Records:               {run['records']:,}"
        return
    strategies = figures["strategies"]
    yield (
        f"[OK] created {run['blocks']:,} blocks with"
        f" {run['potential_comparisons']:,} potential comparisons"
    )
    yield ""
    yield "RESULTS"
    yield "=" * 78
    yield f"Records:               {run['records']:,}"
    if run.get("records_empty"):
        yield (
            f"Empty records:         {run['records_empty']:,} records are empty in every field;"
            " coverage leaves them out"
        )
    if run.get("rejected_rows"):
        yield (
            f"Rejected rows:         {run['rejected_rows']:,} could not be read; the table"
            " rejected_records says why"
        )
    if run.get("forgotten_records"):
        yield (
            f"Forgotten records:     {run['forgotten_records']:,} of the sources are left out, as"
            " er-pipeline forget was asked"
        )
    yield f"Candidate pairs:       {run['pairs']:,} ({run['pairs_per_record']:.1f} per record)"
    yield f"Possible pairs:        {run['possible_pairs']:,}"
    yield f"Reduction ratio:       {run['reduction_ratio']:.4%}"
    yield f"Reduction factor:      {run['reduction_factor']:,.1f}x"
    yield f"Key coverage:          {run['key_coverage']:.2%} of the records have a key"
    yield f"Block coverage:        {run['block_coverage']:.2%} are in a block that is compared"
    yield f"Pair coverage:         {run['pair_coverage']:.2%} have a candidate"
    without = (
        f"Without a shared key:  {run['records_without_key']:,} have no key,"
        f" {run['records_with_a_key_nobody_shares']:,} have a key that no other record shares"
    )
    if run.get("pairs_cut_by_the_budget"):
        without += "; the budget cut the pairs of the others"
    yield without
    yield (
        f"Lost to filtering:     {run['coverage_lost_to_filtering']:.2%} of the records;"
        f" the cap avoided {run['pairs_avoided_by_the_cap']:,} pairs"
    )
    if run.get("pairs_cut_by_the_budget"):
        yield (
            f"Cut by the budget:     the {run['pairs_cut_by_the_budget']:,} pairs of least weight,"
            f" with about {run['expected_matches_cut']:,.0f} of"
            f" {run['expected_matches']:,.0f} expected matches;"
        )
        truth = figures.get("truth", {})
        if "true_pairs_cut_by_the_budget" in truth:
            yield (
                "                       of the known matches they hold"
                f" {truth['true_pairs_cut_by_the_budget']:,}"
            )
        else:
            more = "a million more pairs"
            if run["pairs_cut_by_the_budget"] < A_MILLION:
                more = "all of them"
            yield (
                f"                       {more} would find about"
                f" {run['matches_per_million_more_pairs']:,.0f} more"
            )
    if "learned_rules" in run:
        held_out = ""
        # What a strategy finds is not counted again.
        beside = (
            ", as far as no strategy finds them"
            if run.get("strategies_beside_learned_rules")
            else ""
        )
        if "held_out_recall" in run:
            held_out = (
                f"; held-out recall {run['held_out_recall']:.1%}"
                f" (95%: {run['held_out_recall_low']:.1%} to {run['held_out_recall_high']:.1%})"
            )
        yield (
            f"Learned rules:         {run['learned_rules']:,}, which keep"
            f" {run['evidence_found_by_learned_rules']:.1%} of the probable matches they were"
            f" learned from{beside}{held_out}"
        )
    if "second_pass_pairs" in run:
        yield (
            f"Second pass:           {run['second_pass_pairs']:,} pairs gave a candidate to"
            f" {run['second_pass_records_given_a_candidate']:,} of"
            f" {run['second_pass_records']:,} records"
        )
    yield ""
    yield from aligned_rows(
        ("block size", "blocks", "pairs"),
        [
            (name, f"{counts['blocks']:,}", f"{counts['pairs']:,}")
            for name, counts in figures["size_classes"].items()
        ],
    )
    yield f"The largest block holds {run['largest_block_share_of_pairs']:.2%} of all pairs."
    yield ""
    yield from _strategies(strategies, "truth" in figures)
    if run.get("pairs_cut_by_the_budget"):
        yield "(pairs of strategies as they were made, before the budget's cut)"
    if figures.get("emptied"):
        yield ""
        yield from _emptied(figures["emptied"], figures["emptied_examples"])
    if figures.get("curve"):
        yield ""
        yield from _curve(figures["curve"], "truth" in figures)
    if "truth" in figures:
        yield ""
        yield from _truth(figures["truth"])
    if "matching" in figures:
        yield ""
        yield from _matching(figures["matching"], figures.get("weakest_links", {}))
    if "recall_interval" in figures:
        yield ""
        yield from _recall_of_views(figures)
    if "recall" in figures:
        yield from _recall(figures["recall"])
    if sum(counts["true_pairs"] for counts in figures.get("missed", {}).values()):
        yield ""
        yield from _missed(figures["missed"], figures["remedies"], figures.get("matching", {}))


def _strategies(strategies: Mapping[str, Mapping[str, Any]], with_truth: bool) -> Iterator[str]:
    header = ["strategy", "blocks", "pairs", "unique", "largest"]
    header += ["true pairs", "unique", "completeness"] if with_truth else []
    rows = []
    for name, counts in strategies.items():
        row = [
            name,
            *(f"{counts[key]:,}" for key in ("blocks", "pairs", "pairs_of_it_alone")),
            f"{counts['largest_block']:,}",
        ]
        if with_truth:
            row += [
                f"{counts['true_pairs']:,}",
                f"{counts['true_pairs_of_it_alone']:,}",
                f"{counts['pairs_completeness']:.2%}",
            ]
        rows.append(tuple(row))
    yield from aligned_rows(tuple(header), rows)


def _emptied(
    emptied: Mapping[str, Mapping[str, int]], examples: Mapping[str, Mapping[str, int]]
) -> Iterator[str]:
    """List what cleaning made nothing of; marks of no value, such as NULL, apart."""
    rows: list[tuple[str, ...]] = [
        (
            name,
            f"{counts['values_emptied']:,}",
            f"{counts['values_emptied'] / max(counts['values_given'], 1):.1%}",
            f"{counts['null_marks']:,}",
        )
        for name, counts in emptied.items()
    ]
    lines = list(aligned_rows(("cleaning emptied", "values", "of all", "NULL marks"), rows))
    yield f"{lines[0]}  raw values, for example"
    for line, name in zip(lines[1:], emptied, strict=True):
        yield f"{line}  {examples_text(examples[name])}"


def _curve(curve: Mapping[str, Mapping[str, float]], with_truth: bool) -> Iterator[str]:
    """Draw what the best pairs find, as bars of text."""
    ranked = [point for name, point in curve.items() if name.startswith("ranked ")]
    if not ranked:
        return
    of = "the true pairs" if with_truth else "the expected matches (of all pairs made)"
    yield f"best pairs per record, and their share of {of}"
    for point in ranked:
        share = point["pairs_completeness"]
        yield f"{point['pairs_per_record']:>8.2f}  {share:>7.2%}  {'#' * round(50 * share)}"


def _truth(truth: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"Pairs completeness:    {truth['pairs_completeness']:.2%}"
        f" ({truth['true_pairs_found']:,} of {truth['true_pairs']:,} true pairs are candidates)"
    )
    yield f"Pairs quality:         {truth['pairs_quality']:.4%} of the candidates are true"
    if truth["given_pairs_with_unknown_ids"]:
        yield (
            f"Not counted:           {truth['given_pairs_with_unknown_ids']:,} given pairs with an"
            " id that no record has"
        )


def _matching(
    matching: Mapping[str, Any], links: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    yield (
        f"Matches:               {matching['matches']:,} pairs with a probability of at least"
        f" {matching['threshold']:g}"
    )
    yield (
        f"Entities:              {matching['entities']:,},"
        f" {matching['entities_of_several_records']:,} of them with several records; the largest"
        f" has {matching['largest_entity']:,}"
    )
    for i, (records, link) in enumerate(list(links.items())[:LINKS_SHOWN]):
        yield (
            f"{'' if i else 'The largest hangs on:':<22} {records}"
            f" ({link['match_probability']:.6g}), which joins {link['records_left']:,.0f} and"
            f" {link['records_right']:,.0f} records"
        )
    if "match_f1" in matching:
        for title, place, at in (
            ("At the threshold:     ", "", matching["threshold"]),
            ("At the best threshold:", "_at_best", matching["best_threshold"]),
        ):
            yield (
                f"{title} F1 {matching[f'match_f1{place}']:.2%}, precision"
                f" {matching[f'match_precision{place}']:.2%}, recall"
                f" {matching[f'match_recall{place}']:.2%} (at {at:.6g})"
            )


def _recall(recall: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"As the model sees it:  {recall['estimated_recall']:.1%} (95%:"
        f" {recall['estimated_recall_low']:.1%} to {recall['estimated_recall_high']:.1%}) of the"
        f" {recall['likely_matches_of_sample']:,.0f} pairs that it"
    )
    yield (
        f"                       calls matches of {recall['records_sampled']:,} sampled records;"
        " it learned from what the rules brought"
    )
    if "recall_by_families" in recall:
        found = recall["likely_matches_found"]
        yield (
            f"Capture and recapture: {recall['recall_by_families']:.1%} of"
            f" {found + recall['likely_matches_unseen']:,.0f} likely matches:"
            f" {found:,.0f} found, the rest"
        )
        yield (
            "                       estimated from the overlap of"
            f" {recall['families_of_evidence']} families of evidence"
        )


def _recall_of_views(figures: Mapping[str, Any]) -> Iterator[str]:
    """Say between what recall lies, or that it is not known and why."""
    found = figures["recall_interval"]
    low, high = found["recall_low"], found["recall_high"]
    if found["recall_is_known"]:
        yield (
            f"Recall without truth:  {low:.1%} to {high:.1%} of all matches are candidates, as"
            f" {len(figures['recall_views'])} views of"
        )
        yield f"                       {found['records_viewed']:,} sampled records see it"
    else:
        yield (
            f"Recall without truth:  not known; {low:.0%} to {high:.0%}, as"
            f" {len(figures['recall_views'])} views of {found['records_viewed']:,} sampled records"
            " see it:"
        )
        for reason in figures.get("recall_unknown", {}):
            yield from wrap(f"- {reason}", 78, initial_indent="  ", subsequent_indent="    ")
    views = figures["recall_views"]
    yield from aligned_rows(
        ("view of recall", "share found", "95% interval", "likely matches"),
        [
            (
                name,
                f"{view['recall']:.1%}",
                f"{view['recall_low']:.1%} to {view['recall_high']:.1%}",
                f"{view['likely_matches']:,.0f}",
            )
            for name, view in views.items()
        ],
    )


def _missed(
    causes: Mapping[str, Mapping[str, Any]],
    remedies: Mapping[str, Mapping[str, Any]],
    matching: Mapping[str, Any],
) -> Iterator[str]:
    yield from aligned_rows(
        ("why true pairs are missed", "pairs", "of all true pairs"),
        [
            (
                cause.replace("_", " "),
                f"{counts['true_pairs']:,}",
                f"{counts['share_of_true_pairs']:.2%}",
            )
            for cause, counts in causes.items()
            if counts["true_pairs"]
        ],
    )
    if matching.get("missed_that_would_score_too_low"):
        yield (
            f"{matching['missed_that_would_score_too_low']:,} of those that are not candidates"
            " would score below the threshold if they were."
        )
    cheapest = [(change, n) for change, n in remedies.items() if n["mends"]][:REMEDIES_SHOWN]
    if cheapest:
        yield ""
        yield "would find  pairs each  the cheapest changes"
        for change, n in cheapest:
            yield f"{n['finds']:>10,}  {n['pairs_per_match']:>10,.1f}  {change}"


def aligned_rows(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Write rows of texts below a header, the first column on the left, the others on the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in (header, *rows):
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        yield "  ".join(cells).rstrip()
