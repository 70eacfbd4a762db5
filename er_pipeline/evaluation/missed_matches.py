"""Step 5, with truth: why true pairs are not found, one cause each, and what would find them.

A pair is found when it is a candidate and, where matches are scored, scores at least the threshold.
Of any other, the cause is the last thing that stood in its way, so that mending that finds it:

    below_threshold    it is a candidate, and the model gives it too little
    cut_by_budget      it was made, and the budget cut it
    block_dropped      it shares a key, and the block was dropped, or divided between the two
    below_similarity   it shares no key; neighbours are on, its cosine reaches their floor, and a
                       later cut (the share of the best, the k of the lists) left it out
    keys_differ        it shares no key, though at least one strategy gives a key to both
    no_key             no strategy gives a key to both

Each excludes those above it. A pair that shares no key and whose cosine lies below the floor is one
of keys: neighbours never had a chance of it. Without any strategy of keys, neighbours are all there
is, and every pair with two vectors is below_similarity.

The true pairs, possibly millions, stay in SQL; vectors are multiplied in batches of arrays. Of a
million people with 357,000 true pairs, 30,000 missed ones take 12 CPU s and 0.5 GiB.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from er_pipeline.blocking.blocks.blocks import sized_blocks_sql
from er_pipeline.blocking.blocks.refined_blocks import DIVISION_MARK
from er_pipeline.blocking.pairs.second_pass_pairs import helped_records
from er_pipeline.blocking.records.cleaned_records import read_numbered, read_records
from er_pipeline.blocking.spec.blocking_section import Blocks
from er_pipeline.blocking.spec.learned import learned_conjunctions, learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.contracts import MISSED_CAUSES
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.values.keys import Conjunction, Key
from er_pipeline.evaluation.blocking_report import propose_true_pairs
from er_pipeline.evaluation.missed_neighbours import explain_neighbours
from er_pipeline.evaluation.missed_weights import weigh_missed
from er_pipeline.evaluation.remedies import find_remedies
from er_pipeline.matching.scored_pairs import number_compared, score_table
from er_pipeline.matching.splink_linker import MODEL_FILE

logger = logging.getLogger(__name__)

# Values and keys are shown, and compared, up to so many characters.
SHOWN = 60


@dataclass(frozen=True)
class Proposer:
    """A conjunction that could have brought two records together.

    max_size: cap of its blocks. rule: it was learned. second: it is of the second pass, which looks
    only at pairs of a record that the first pass left alone.
    """

    conjunction: Conjunction
    max_size: int | None
    rule: bool = False
    second: bool = False

    @property
    def name(self) -> str:
        """The name under which it proposes."""
        return self.conjunction.name

    @property
    def applies(self) -> str:
        """The condition on a pair p of unpaired_true that it is looked at here."""
        return "p.is_lonely" if self.second else "true"


def explain_missed(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, *, threshold: float | None
) -> dict[str, Any]:
    """Find the cause of every true pair that is not found; write missed_matches.

    Reads true_pairs, unified_pairs and what they were made of; with a threshold, matches (left_no,
    right_no, match_probability). threshold: least probability of a match; None where nothing is
    scored, and every candidate is found. Writes missed_matches (left_no, right_no, cause, detail,
    remedy VARCHAR), one row per true pair that is not found. remedy: see `find_remedies`.
    Returns the facts kept beside the table: true_pairs, found, missed, unlikely (of the missed that
    are no candidates, those that the model would give less than the threshold, so that no single
    change finds them), "causes" with their counts, and "remedies" with what each would find and
    cost.

    Raises LakeError if a table is missing or was made from other records.
    """
    fingerprint = read_records(engine, lake)
    tables = ["true_pairs", "unified_pairs", "filtered_blocks", "dropped_blocks"]
    for table in tables + ["matches"] * (threshold is not None):
        read_numbered(engine, lake, table, fingerprint)
    propose_true_pairs(
        engine, lake, spec, fingerprint, lake.facts("unified_pairs")["strategy_bits"]
    )
    _find_true_pairs(engine, threshold)
    _mark_lonely(engine, lake, spec, fingerprint)
    proposers = _proposers(spec, lake)
    keys = list({k.expression: k for p in proposers for k in p.conjunction.keys}.values())
    logger.info("%s keys of %s strategies and rules", len(keys), len(proposers))
    _compare_keys(engine, proposers, keys)
    _share_blocks(engine, lake, spec, proposers)
    explain_neighbours(engine, lake, spec, fingerprint, has_keys=bool(proposers))
    weigh_missed(engine, lake, spec, fingerprint)
    engine.make_table("missed_causes", _causes_sql(spec, proposers, keys, threshold))
    n_unlikely = _leave_out_unlikely(engine, lake, spec, fingerprint, threshold)
    facts: dict[str, Any] = {"fingerprint": fingerprint, "threshold": threshold}
    facts["remedies"] = find_remedies(engine, lake, spec, fingerprint, threshold=threshold)
    with lake.writing("missed_matches", facts) as draft:
        engine.write(
            f"""
            select c.left_no, c.right_no, c.cause,
                c.detail || coalesce('; as a candidate the model would give it '
                    || printf('%.4f', u.match_probability), '') as detail,
                coalesce(r.remedy, case when u.left_no is not null
                    then 'none alone: as a candidate it would be no match'
                    else {_no_remedy(spec)} end) as remedy
            from missed_causes as c
            left join unlikely_true as u on u.left_no = c.left_no and u.right_no = c.right_no
            left join missed_remedies as r on r.left_no = c.left_no and r.right_no = c.right_no
            order by c.left_no, c.right_no
            """,
            draft.file(),
        )
        engine.read_folder(draft.folder, "written_missed")
        n_missed, n_distinct = engine.row(
            "select (select count(*) from written_missed),"
            " (select count(*) from (select distinct left_no, right_no from written_missed))"
        )
        (n_true,) = engine.row("select count(*) from true_pairs")
        (n_found,) = engine.row(_found_sql(threshold))
        counted = dict(engine.rows("select cause, count(*) from written_missed group by cause"))
        draft.facts.update(
            true_pairs=n_true,
            found=n_found,
            missed=n_missed,
            missed_twice=n_missed - n_distinct,
            unlikely=n_unlikely,
            causes={cause: counted.get(cause, 0) for cause in MISSED_CAUSES},
        )
        return dict(draft.facts)


def judge_missed(facts: Mapping[str, Any]) -> Iterator[Verdict]:
    """Judge the account of the true pairs, from the facts of `explain_missed`."""
    true, found, missed = facts["true_pairs"], facts["found"], facts["missed"]
    adds_up = found + missed == true and not facts["missed_twice"]
    adds_up = adds_up and sum(facts["causes"].values()) == missed
    told = ", ".join(f"{n:,} {cause}" for cause, n in facts["causes"].items() if n)
    yield Verdict(
        "missed_matches_add_up",
        adds_up,
        "error",
        f"{found:,} true pairs found and {missed:,} missed are {found + missed:,} of {true:,}"
        + (f" ({told})." if told else ".")
        + ("" if adds_up else " Materialize unified_pairs, matches and missed_matches again."),
        {
            "true_pairs": true,
            "true_pairs_found": found,
            "true_pairs_missed": missed,
            **{f"missed_{cause}": n for cause, n in facts["causes"].items()},
        },
    )


def _found_sql(threshold: float | None) -> str:
    """Write the query that counts the true pairs found, by itself, not as what is not missed."""
    table = "unified_pairs"
    if threshold is not None:
        table = (
            "(select u.left_no, u.right_no from unified_pairs as u join matches as m"
            " on m.left_no = u.left_no and m.right_no = u.right_no"
            f" where m.match_probability >= {threshold!r})"
        )
    return (
        f"select count(*) from true_pairs as t join {table} as f"
        " on f.left_no = t.left_no and f.right_no = t.right_no"
    )


def _find_true_pairs(engine: DuckDBEngine, threshold: float | None) -> None:
    """Make missed_true (left_no, right_no, stage, match_probability): true pairs not found.

    stage: below_threshold, cut_by_budget, or unpaired where nothing proposed the pair.
    """
    probability, join, found = "cast(null as double)", "", "u.left_no is not null"
    if threshold is not None:
        probability = "m.match_probability"
        join = " left join matches as m on m.left_no = t.left_no and m.right_no = t.right_no"
        found += f" and coalesce(m.match_probability, -1) >= {threshold!r}"
    engine.make_table(
        "missed_true",
        f"""
        select t.left_no, t.right_no, {probability} as match_probability,
            case when u.left_no is not null then 'below_threshold'
                when p.left_no is not null then 'cut_by_budget' else 'unpaired' end as stage
        from true_pairs as t
        left join unified_pairs as u on u.left_no = t.left_no and u.right_no = t.right_no
        left join proposed_true as p on p.left_no = t.left_no and p.right_no = t.right_no{join}
        where not ({found})
        """,
    )


def _leave_out_unlikely(
    engine: DuckDBEngine,
    lake: Lake,
    spec: PipelineSpec,
    fingerprint: str,
    threshold: float | None,
) -> int:
    """Make unlikely_true (left_no, right_no, match_probability); look for no remedy of these pairs.

    They are no candidates, and as such would score below the threshold. Returns how many they are;
    none where nothing is scored.
    """
    engine.make_table(
        "unlikely_true",
        "select 0 as left_no, 0 as right_no, 0.0::double as match_probability where 1 = 0",
    )
    if threshold is None or not spec.matching:
        return 0
    read_numbered(engine, lake, "em_model", fingerprint)
    model = json.loads((lake.path("em_model") / MODEL_FILE).read_text("utf-8"))
    number_compared(engine, spec)
    engine.make_table(
        "no_candidates",
        "select left_no, right_no from missed_true where stage <> 'below_threshold'",
    )
    score_table(engine, model, "no_candidates", "scored_true", min_probability=0.0)
    engine.make_table(
        "unlikely_true", f"select * from scored_true where match_probability < {threshold!r}"
    )
    for table in ("compared_true", "shared_blocks", "missed_neighbours", "missed_weights"):
        engine.execute(
            f"delete from {table} where (left_no, right_no) in"
            " (select (left_no, right_no) from unlikely_true)"
        )
    (n_unlikely,) = engine.row("select count(*) from unlikely_true")
    return int(n_unlikely)


def _mark_lonely(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, fingerprint: str) -> None:
    """Make unpaired_true (left_no, right_no, is_lonely) and unpaired_records.

    is_lonely: the second pass looked at the pair, for the first had not helped one of its records.
    """
    lonely = "false"
    if spec.second_pass:
        paired = helped_records(engine, lake, spec, fingerprint)
        engine.make_table("paired_records", f"select distinct record_no from ({paired})")
        lonely = " or ".join(
            f"{side}_no not in (select record_no from paired_records)" for side in ("left", "right")
        )
    engine.make_table(
        "unpaired_true",
        f"select left_no, right_no, {lonely} as is_lonely from missed_true"
        " where stage = 'unpaired'",
    )
    engine.make_table(
        "unpaired_records",
        "select * from cleaned_records where record_no in"
        " (select left_no from unpaired_true union all select right_no from unpaired_true)",
    )


def _proposers(spec: PipelineSpec, lake: Lake) -> list[Proposer]:
    """List everything that proposes pairs by keys."""
    found = [Proposer(c, spec.blocks.max_size) for c in spec.strategy_conjunctions]
    if spec.learns:
        rules = learned_conjunctions(spec, learned_rules_facts(lake))
        found += [Proposer(c, spec.blocks.max_size, rule=True) for c in rules]
    if spec.second_pass:
        cap = spec.second_pass.max_size
        found += [Proposer(c, cap, second=True) for c in spec.second_conjunctions]
    return found


def _compare_keys(engine: DuckDBEngine, proposers: Sequence[Proposer], keys: Sequence[Key]) -> None:
    """Make told_values and compared_true.

    told_values (record_no, v_0, ...): what each key gives a record of unpaired_true, as text.
    compared_true (left_no, right_no, is_lonely, a_0, ..., shares_0, ..., nearest): a_<key> is 1
    where both records share the key, 0 where both have one, -1 where the left lacks it, -2 the
    right, -3 both; shares_<proposer>; nearest, the proposer whose keys differ least, or -1 where
    none gives a key to both: fewest members, then fewest letters, then the one declared first.
    """
    columns, joins, shared = "", "", ""
    for j, key in enumerate(keys):
        keyed = Conjunction(f"missed_{j}", (key,)).keyed_records(engine, "unpaired_records")
        engine.make_table(f"told_keys_{j}", f"select record_no, block_key as value from ({keyed})")
        values = f"told_keys_{j}"
        if key.is_list:
            values = (
                "(select record_no, string_agg(value, ' ' order by value) as value"
                f" from {values} group by record_no)"
            )
            engine.make_table(
                f"shared_key_{j}",
                f"select distinct p.left_no, p.right_no from unpaired_true as p"
                f" join told_keys_{j} as l on l.record_no = p.left_no"
                f" join told_keys_{j} as r on r.record_no = p.right_no and r.value = l.value",
            )
            shared += (
                f" left join shared_key_{j} as s{j}"
                f" on s{j}.left_no = p.left_no and s{j}.right_no = p.right_no"
            )
        columns += f", k{j}.value as v_{j}"
        joins += f" left join {values} as k{j} on k{j}.record_no = r.record_no"
    engine.make_table(
        "told_values", f"select r.record_no{columns} from unpaired_records as r{joins}"
    )
    agree, apart = "", ""
    for j, key in enumerate(keys):
        same = f"s{j}.left_no is not null" if key.is_list else f"l.v_{j} = r.v_{j}"
        agree += (
            f", case when l.v_{j} is null and r.v_{j} is null then -3"
            f" when l.v_{j} is null then -1 when r.v_{j} is null then -2"
            f" when {same} then 1 else 0 end as a_{j}"
        )
        left, right = f"left(l.v_{j}, {SHOWN})", f"left(r.v_{j}, {SHOWN})"
        apart += (
            f", levenshtein({left}, {right})"
            f" / cast(greatest(length({left}), length({right}), 1) as double) as d_{j}"
        )
    engine.make_table(
        "key_agreement",
        f"select p.left_no, p.right_no, p.is_lonely{agree}{apart} from unpaired_true as p"
        " join told_values as l on l.record_no = p.left_no"
        f" join told_values as r on r.record_no = p.right_no{shared}",
    )
    places = [[keys.index(_same(keys, k)) for k in p.conjunction.keys] for p in proposers]
    shares, scores = "", ""
    for n, (proposer, members) in enumerate(zip(proposers, places, strict=True)):
        all_shared = " and ".join(f"p.a_{j} = 1" for j in members)
        all_keyed = " and ".join(f"p.a_{j} >= 0" for j in members)
        n_differ = " + ".join(f"case when p.a_{j} = 0 then 1 else 0 end" for j in members)
        letters = " + ".join(f"case when p.a_{j} = 0 then p.d_{j} else 0.0 end" for j in members)
        shares += f", {proposer.applies} and {all_shared} as shares_{n}"
        scores += (
            f", case when {proposer.applies} and {all_keyed}"
            f" then {n_differ} + ({letters}) / {len(members) + 1} else {_NO_SCORE} end as score_{n}"
        )
    nearest = "-1"
    if proposers:
        listed = ", ".join(f"score_{n}" for n in range(len(proposers)))
        best = f"least({listed})" if len(proposers) > 1 else listed
        cases = "".join(f" when score_{n} = {best} then {n}" for n in range(len(proposers)))
        nearest = f"case when {best} >= {_NO_SCORE} then -1{cases} else -1 end"
    flags = "".join(f", shares_{n}" for n in range(len(proposers)))
    agreed = "".join(f", a_{j}" for j in range(len(keys)))
    engine.make_table(
        "compared_true",
        f"select left_no, right_no, is_lonely{agreed}{flags}, {nearest} as nearest"
        f" from (select p.*{shares}{scores} from key_agreement as p)",
    )


_NO_SCORE = 1_000_000


def _same(keys: Sequence[Key], key: Key) -> Key:
    return next(other for other in keys if other.expression == key.expression)


def _share_blocks(
    engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, proposers: Sequence[Proposer]
) -> None:
    """Make shared_blocks: every dropped block that holds both records of an unpaired pair.

    Columns left_no, right_no, proposer, is_second, block_key, block_size, reason, division: the key
    that divided it further. Of a block that was divided, its parts stand here, too, as far as they
    hold both. block_size is NULL where no ledger names the block: it is smaller than min_size.
    """
    engine.execute(
        "create or replace table shared_blocks (left_no integer, right_no integer,"
        " proposer integer, is_second boolean, block_key varchar, block_size bigint,"
        " reason varchar, division varchar)"
    )
    for n, proposer in enumerate(proposers):
        (n_sharing,) = engine.row(f"select count(*) from compared_true where shares_{n}")
        if not n_sharing:
            continue
        refined = spec.blocks.oversized == "refine" and not proposer.rule and not proposer.second
        keyed = proposer.conjunction.keyed_records(engine, "unpaired_records")
        engine.make_table("told_blocks", f"select record_no, block_key from ({keyed})")
        engine.make_table(
            "together",
            f"""
            select p.left_no, p.right_no,
                {_escaped("l.block_key") if refined else "l.block_key"} as block_key
            from compared_true as p join told_blocks as l on l.record_no = p.left_no
            join told_blocks as r on r.record_no = p.right_no and r.block_key = l.block_key
            where p.shares_{n}
            """,
        )
        ledger = f"(select * from dropped_blocks where strategy = {literal(proposer.name)})"
        if proposer.second:
            keyed = proposer.conjunction.keyed_records(engine, "cleaned_records")
            members = (
                f"(select * from ({keyed}) where block_key in (select block_key from together))"
            )
            blocks = Blocks(max_size=proposer.max_size)
            engine.make_table(
                "second_sizes",
                sized_blocks_sql(members, ["block_key"], spec.link_mode, blocks),
            )
            ledger = "second_sizes"
        divisions = _divisions(lake, spec, proposer.name) if refined else []
        for level in range(len(divisions) + 1):
            division = divisions[level].expression if level < len(divisions) else ""
            engine.execute(
                f"""
                insert into shared_blocks
                select t.left_no, t.right_no, {n}, {str(proposer.second).lower()}, t.block_key,
                    d.block_size, coalesce(d.reason, 'below_min_size'), {literal(division)}
                from together as t {"left" if level == 0 else ""} join {ledger} as d
                    on d.block_key = t.block_key
                """
            )
            if level == len(divisions):
                break
            values = divisions[level].keyed_records(engine, "unpaired_records")
            engine.make_table("told_divisions", f"select record_no, block_key from ({values})")
            engine.make_table(
                "together",
                f"""
                select t.left_no, t.right_no,
                    t.block_key || ' {DIVISION_MARK} ' || {_escaped("l.block_key")} as block_key
                from together as t join told_divisions as l on l.record_no = t.left_no
                join told_divisions as r on r.record_no = t.right_no and r.block_key = l.block_key
                """,
            )
    # The smallest is the one that it takes least to keep.
    engine.make_table(
        "dropped_true",
        """
        select * from (
            select *, row_number() over (
                partition by left_no, right_no
                order by coalesce(block_size, 0), proposer, block_key
            ) as place from shared_blocks
        ) where place = 1
        """,
    )


def _escaped(text: str) -> str:
    """Write a key as `refine_blocks` writes it into the keys of parts."""
    return f"replace(replace({text}, '\\', '\\\\'), '{DIVISION_MARK}', '\\{DIVISION_MARK}')"


def _divisions(lake: Lake, spec: PipelineSpec, strategy: str) -> list[Conjunction]:
    """Give the keys that divided the oversized blocks of a strategy, in turn."""
    counts = lake.facts("filtered_blocks")["strategies"][strategy]
    known = spec.refine_conjunctions or tuple(choice.conjunction for choice in spec.key_choices)
    by_expression = {key.expression: key for key in known}
    return [by_expression[division["key"]] for division in counts.get("divisions", [])]


def _causes_sql(
    spec: PipelineSpec,
    proposers: Sequence[Proposer],
    keys: Sequence[Key],
    threshold: float | None,
) -> str:
    """Write the query of missed_causes (left_no, right_no, cause, detail)."""
    parts = [
        f"""
        select left_no, right_no, stage as cause,
            'the model gives it ' || case when match_probability is null
                then 'less than the least probability kept'
                else printf('%.4f', match_probability) end
            || ', the threshold is {threshold}' as detail
        from missed_true where stage = 'below_threshold'
        """,
        """
        select m.left_no, m.right_no, m.stage, coalesce(w.detail, 'its weight is not known')
        from missed_true as m left join missed_weights as w
            on w.left_no = m.left_no and w.right_no = m.right_no
        where m.stage = 'cut_by_budget'
        """,
        f"select left_no, right_no, 'block_dropped', {_dropped_detail(spec, proposers)}"
        " from dropped_true",
        "select left_no, right_no, 'below_similarity', detail from missed_neighbours where is_near",
    ]
    rest = (
        "from compared_true as p join told_values as l on l.record_no = p.left_no"
        " join told_values as r on r.record_no = p.right_no"
        " left join dropped_true as d on d.left_no = p.left_no and d.right_no = p.right_no"
        " left join (select left_no, right_no from missed_neighbours where is_near) as n"
        " on n.left_no = p.left_no and n.right_no = p.right_no"
        " where d.left_no is null and n.left_no is null"
    )
    for n, proposer in enumerate(proposers):
        parts.append(
            f"select p.left_no, p.right_no, 'keys_differ', {_differing(proposer, keys)}"
            f" {rest} and p.nearest = {n}"
        )
    parts.append(
        f"select p.left_no, p.right_no, 'no_key', {_lacking(keys)} {rest} and p.nearest = -1"
    )
    return " union all ".join(parts)


def _dropped_detail(spec: PipelineSpec, proposers: Sequence[Proposer]) -> str:
    names = "".join(f" when {n} then {literal(p.name)}" for n, p in enumerate(proposers))
    caps = "".join(f" when {n} then {literal(str(p.max_size))}" for n, p in enumerate(proposers))
    if not proposers:
        return "''"
    return (
        f"case proposer{names} end || ': block ''' || left(block_key, {SHOWN}) || ''''"
        " || case when block_size is null then '' else ' of ' || block_size || ' records' end"
        " || case reason when 'oversized' then ' is over the cap of '"
        f" || case proposer{caps} end"
        " when 'refined' then ' was divided by ' || division || ', which the two do not share'"
        f" else ' is below min_size {spec.blocks.min_size}' end"
    )


def _differing(proposer: Proposer, keys: Sequence[Key]) -> str:
    """Write the text that names each member that differs, with both values."""
    told = []
    for key in proposer.conjunction.keys:
        j = keys.index(_same(keys, key))
        verb = "shares nothing:" if key.is_list else "is"
        told.append(
            f"case when p.a_{j} = 0 then {literal(f'{key.expression} {verb} ')}"
            f" || '''' || left(l.v_{j}, {SHOWN}) || ''' and ''' || left(r.v_{j}, {SHOWN}) || ''''"
            " end"
        )
    return f"{literal(f'{proposer.name}: ')} || concat_ws('; ', {', '.join(told)})"


def _lacking(keys: Sequence[Key]) -> str:
    """Write the text that names the keys that either record lacks."""
    sides = []
    for side, missing in (("left", (-1, -3)), ("right", (-2, -3))):
        listed = ", ".join(
            f"case when p.a_{j} in {missing} then {literal(key.expression)} end"
            for j, key in enumerate(keys)
        )
        if listed:
            sides.append(f"'{side} lacks ' || nullif(concat_ws(', ', {listed}), '')")
    return f"concat_ws('; ', {', '.join(sides)})" if sides else "'neither keys nor vectors of both'"


def _no_remedy(spec: PipelineSpec) -> str:
    """Write what to say of a row c of missed_causes of which no single change is known."""
    told = "no key of one or two fields finds it"
    if not spec.embedding:
        told += "; try embedding: true"
    return (
        "case c.cause when 'below_threshold' then 'no threshold: compare its fields otherwise'"
        f" when 'cut_by_budget' then 'a larger budget' else {literal(told)} end"
    )
