"""Missed pairs as keys see them: which keys the two records share, differ in, and lack."""

from collections.abc import Sequence
from dataclasses import dataclass

from er_pipeline.blocking.spec.learned import learned_conjunctions, learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.sql import literal
from er_pipeline.blocking.values.keys import Conjunction, Key

# Values and keys are shown, and compared, up to so many characters.
SHOWN = 60
_NO_SCORE = 1_000_000


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
        """The condition on a pair p, with is_lonely, that this looks at it."""
        return "p.is_lonely" if self.second else "true"


def list_proposers(spec: PipelineSpec, lake: Lake) -> list[Proposer]:
    """Return everything that proposes pairs by keys."""
    found = [Proposer(c, spec.blocks.max_size) for c in spec.strategy_conjunctions]
    if spec.learns:
        rules = learned_conjunctions(spec, learned_rules_facts(lake))
        found += [Proposer(c, spec.blocks.max_size, rule=True) for c in rules]
    if spec.second_pass:
        cap = spec.second_pass.max_size
        found += [Proposer(c, cap, second=True) for c in spec.second_conjunctions]
    return found


def compare_keys(
    engine: Engine,
    proposers: Sequence[Proposer],
    pairs: str,
    records: str,
    compared: str,
) -> None:
    """Make the engine table `compared` of some pairs: which keys they share, differ in and lack.

    pairs: engine table (left_no, right_no, is_lonely). records: engine table of their records, as
    cleaned_records. Columns: left_no, right_no, is_lonely; shares_<i>, whether the pair shares all
    keys of the i-th proposer; cause: keys_differ, or no_key where no proposer gives a key to both;
    detail: of the proposer whose keys differ least, those that differ, with both values; else what
    each record lacks. Fewest members that differ are nearest, then fewest letters, then the
    proposer declared first.
    """
    keys = list({k.expression: k for p in proposers for k in p.conjunction.keys}.values())
    shared = _list_values(engine, keys, pairs, records)
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
    # a_<key> is 1 where both records share the key, 0 where both have one, -1 where the left lacks
    # it, -2 the right, -3 both; d_<key>: the share of letters that differ.
    engine.make_table(
        "key_agreement",
        f"select p.left_no, p.right_no, p.is_lonely{agree}{apart} from {pairs} as p"
        " join missed_values as l on l.record_no = p.left_no"
        f" join missed_values as r on r.record_no = p.right_no{shared}",
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
    flags = "".join(f", p.shares_{n}" for n in range(len(proposers)))
    differing = "".join(f" when {n} then {_differing(p, keys)}" for n, p in enumerate(proposers))
    engine.make_table(
        compared,
        f"""
        select p.left_no, p.right_no, p.is_lonely{flags},
            case p.nearest when -1 then 'no_key' else 'keys_differ' end as cause,
            case p.nearest{differing} when -1 then {_lacking(keys)} end as detail
        from (
            select *, {_nearest(len(proposers))} as nearest
            from (select p.*{shares}{scores} from key_agreement as p)
        ) as p
        join missed_values as l on l.record_no = p.left_no
        join missed_values as r on r.record_no = p.right_no
        """,
    )


def _list_values(engine: Engine, keys: Sequence[Key], pairs: str, records: str) -> str:
    """Make missed_values (record_no, v_0, ...): what each key gives a record, as text.

    Returns the joins of a query over pairs p with those pairs that share a many-valued key: s<key>.
    """
    columns, joins, shared = "", "", ""
    for j, key in enumerate(keys):
        keyed = Conjunction(f"missed_{j}", (key,)).keyed_records(engine, records)
        values = f"missed_values_{j}"
        engine.make_table(values, f"select record_no, block_key as value from ({keyed})")
        of_record = values
        if key.is_list:
            of_record = (
                "(select record_no, string_agg(value, ' ' order by value) as value"
                f" from {values} group by record_no)"
            )
            engine.make_table(
                f"shared_key_{j}",
                f"select distinct p.left_no, p.right_no from {pairs} as p"
                f" join {values} as l on l.record_no = p.left_no"
                f" join {values} as r on r.record_no = p.right_no and r.value = l.value",
            )
            shared += (
                f" left join shared_key_{j} as s{j}"
                f" on s{j}.left_no = p.left_no and s{j}.right_no = p.right_no"
            )
        columns += f", k{j}.value as v_{j}"
        joins += f" left join {of_record} as k{j} on k{j}.record_no = r.record_no"
    engine.make_table("missed_values", f"select r.record_no{columns} from {records} as r{joins}")
    return shared


def _nearest(n_proposers: int) -> str:
    """Write the expression of the first proposer of least score; -1 where none has one."""
    if not n_proposers:
        return "-1"
    listed = ", ".join(f"score_{n}" for n in range(n_proposers))
    best = f"least({listed})" if n_proposers > 1 else listed
    cases = "".join(f" when score_{n} = {best} then {n}" for n in range(n_proposers))
    return f"case when {best} >= {_NO_SCORE} then -1{cases} else -1 end"


def _same(keys: Sequence[Key], key: Key) -> Key:
    return next(other for other in keys if other.expression == key.expression)


def _differing(proposer: Proposer, keys: Sequence[Key]) -> str:
    """Write the text that names each member that differs, with both values."""
    members = []
    for key in proposer.conjunction.keys:
        j = keys.index(_same(keys, key))
        verb = "shares nothing:" if key.is_list else "is"
        members.append(
            f"case when p.a_{j} = 0 then {literal(f'{key.expression} {verb} ')}"
            f" || '''' || left(l.v_{j}, {SHOWN}) || ''' and ''' || left(r.v_{j}, {SHOWN}) || ''''"
            " end"
        )
    return f"{literal(f'{proposer.name}: ')} || concat_ws('; ', {', '.join(members)})"


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
