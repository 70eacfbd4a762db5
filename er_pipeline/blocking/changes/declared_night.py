"""What a night proposed its pairs by, noted so that the next night can compare itself with it."""

from typing import Any, Literal, TypedDict

from er_pipeline.blocking.blocks.filtered_facts import filtered_facts
from er_pipeline.blocking.blocks.record_codes import codes_facts
from er_pipeline.blocking.neighbours.neighbour_lists import search_settings
from er_pipeline.blocking.pairs.unified_pairs import ready_pair_tables, unified_facts
from er_pipeline.blocking.records.record_changes import RECORDS
from er_pipeline.blocking.spec.blocking_section import EMBEDDING, SECOND_EMBEDDING
from er_pipeline.blocking.spec.learned import learned_conjunctions, learned_rules_facts
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.values.keys import Conjunction


class Route(TypedDict):
    """One way in which a pair is proposed: a strategy, a learned rule, or neighbours.

    kind: code (one key per record), list (several), neighbours, or second (of the second pass).
    bit: in the mask of a pair. identity: what it computes, whatever it is called.
    """

    name: str
    kind: Literal["code", "list", "neighbours", "second"]
    bit: int
    identity: list[Any]


class Declared(TypedDict):
    """What a night proposed its pairs by.

    tables: what it is compared by. routes: those of codes first, in the order of the columns of
    record_codes; the first one that finds a pair stands for it. divisions: strategy -> the keys
    that divided its large blocks. learned: names of the rules, None where none are learned.
    is_cut: whether a budget cut pairs. cut_below: the weight class in which its cut lies.
    """

    tables: list[str]
    mode: str
    routes: list[Route]
    min_size: int
    max_size: int | None
    refines: bool
    divisions: dict[str, list[str]]
    search: Any
    pairs: int
    learned: list[str] | None
    is_cut: bool
    cut_below: float | None
    budget: int | None


def declared_night(spec: PipelineSpec, lake: Lake) -> Declared:
    """Note what this night proposed its pairs by.

    Reads the facts of record_codes, filtered_blocks, unified_pairs and, of learned rules,
    learned_rules.
    """
    unified = unified_facts(lake)
    counted = filtered_facts(lake)["strategies"]
    encoder = spec.embedding
    return Declared(
        tables=tables_compared(spec),
        mode=spec.link_mode,
        routes=_routes(spec, lake, unified["strategy_bits"]),
        min_size=spec.blocks.min_size,
        max_size=spec.blocks.max_size,
        refines=spec.blocks.oversized == "refine",
        divisions={
            name: [division["key"] for division in counts["divisions"]]
            for name, counts in counted.items()
            if "divisions" in counts
        },
        search=search_settings(encoder, spec.link_mode) if encoder else None,
        pairs=unified["pairs"],
        learned=codes_facts(lake)["rules"] if spec.learns else None,
        is_cut=bool(unified.get("pairs_cut")),
        cut_below=max(
            (
                row["weight"]
                for row in unified.get("weight_classes", [])
                if row["kept"] < row["pairs"]
            ),
            default=None,
        ),
        budget=unified.get("budget_pairs"),
    )


def tables_compared(spec: PipelineSpec) -> list[str]:
    """List the tables of a night that the next one is compared with."""
    tables = [RECORDS, "record_codes", "filtered_blocks", "dropped_blocks", "unified_pairs"]
    if spec.learns:
        tables += ["learned_rules", "learned_blocks"]
    if spec.labels:
        tables.append("labels")
    return [*tables, *ready_pair_tables(spec)]


def of_kind(night: Declared, *kinds: str) -> list[tuple[int, Route]]:
    """List a night's routes of some kinds, with their places."""
    return [(i, route) for i, route in enumerate(night["routes"]) if route["kind"] in kinds]


def counterpart(route: Route, other: Declared) -> int | None:
    """Find the route of another night that computes the same, as far as the mode is the same too.

    Failing that, the one of its name: what it finds may well be nearly the same.
    """
    same_kind = of_kind(other, route["kind"])
    same = [place for place, r in same_kind if r["identity"] == route["identity"]]
    same += [place for place, r in same_kind if r["name"] == route["name"]]
    return same[0] if same else None


def is_known(route: Route, other: Declared) -> bool:
    """Say whether another night had a route that computes the same."""
    return any(
        r["kind"] == route["kind"] and r["identity"] == route["identity"] for r in other["routes"]
    )


def conjunctions_of(spec: PipelineSpec, lake: Lake) -> dict[str, Conjunction]:
    """Give the strategies and learned rules of this night by name."""
    learned = learned_conjunctions(spec, learned_rules_facts(lake)) if spec.learns else ()
    return {key.name: key for key in (*spec.strategy_conjunctions, *learned)}


def _routes(spec: PipelineSpec, lake: Lake, bits: dict[str, int]) -> list[Route]:
    codes = codes_facts(lake)
    keyed = conjunctions_of(spec, lake)
    strategies = spec.strategy_conjunctions
    single = [s.name for s in strategies if not s.is_list] + codes["single_rules"]
    listed = [s.name for s in strategies if s.is_list] + codes["listed_rules"]
    routes = [Route(name=n, kind="code", bit=bits[n], identity=keyed[n].identity) for n in single]
    routes += [Route(name=n, kind="list", bit=bits[n], identity=keyed[n].identity) for n in listed]
    vectors: list[Any] = []
    if spec.encoder:
        vectors = [spec.encoder.vectors_of(), spec.embedding_fields, spec.reads_whole_records]
    if spec.embedding:
        routes.append(
            Route(name=EMBEDDING, kind="neighbours", bit=bits[EMBEDDING], identity=vectors)
        )
    for key in spec.second_conjunctions:
        routes.append(
            Route(name=key.name, kind="second", bit=bits[key.name], identity=key.identity)
        )
    if spec.second_pass and spec.second_pass.embedding:
        name = SECOND_EMBEDDING
        routes.append(Route(name=name, kind="second", bit=bits[name], identity=[name, *vectors]))
    return routes
