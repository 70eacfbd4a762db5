"""One change of each setting there is, and the tables that it shapes."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple

from er_pipeline_tests.changed_run_settings import OF_RUNS

Declaration = Mapping[str, Any]

# Everything is on, and the second pass looks for records without a match.
WHOLE: Declaration = {
    "dataset": "people",
    "sources": [{"path": "people.csv", "format": "csv"}],
    "fields": {
        "first_name": "person_name",
        "last_name": "person_name",
        "email": "email",
        "city": "text",
    },
    "strategies": {"name": ["soundex(last_name)", "left(first_name, 1)"], "mail": "email"},
    "learning": {},
    "budget": {"max_pairs": 1_000},
    "blocks": {"max_size": 8, "oversized": "refine", "refine_by": ["city", "first_name"]},
    "embedding": {"k": 5},
    "second_pass": {"strategies": {"town": "city"}},
    "training_rules": {"same_name": ["first_name", "last_name"], "same_mail": "email"},
    "comparisons": ["first_name", "last_name", "email", "city"],
    "matching": {},
    "truth": {"path": "pairs.csv"},
    "labels": {},
}
LINKED: Declaration = {
    **WHOLE,
    "mode": "link",
    "sources": [{"path": "people.csv"}, {"path": "clients.csv"}],
}
COMPARED: Declaration = {**WHOLE, "comparisons": dict.fromkeys(WHOLE["comparisons"], True)}
# Without learned rules the model teaches the weights alone.
WEIGHED: Declaration = {**WHOLE, "learning": None, "second_pass": None}
ENCODERS: Mapping[str, Declaration] = {
    "sentence_transformer": {"model": "models/small"},
    "static": {},
    "column": {"column": "vector"},
}


class Change(NamedTuple):
    """One setting changed.

    setting: as `er-pipeline settings` names it. before: its value, where the declaration has none
    of its own; to: the other value. shapes: a table of every step that the setting shapes itself;
    those that only read what is stale need not stand here. given: what else the change takes.
    alone: tables of a step whose other tables still fit.
    """

    setting: str
    to: Any
    shapes: tuple[str, ...] = ()
    declaration: Declaration = WHOLE
    given: Mapping[str, Any] = {}
    alone: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """The setting's place in the declaration: keys and numbers with dots between."""
        return self.setting.split(" (")[0].replace("[]", ".0").replace("FIELD", "city")

    @property
    def before(self) -> dict[str, Any]:
        """The declaration before the change."""
        declared = dict(deepcopy(dict(self.declaration)))
        if self.setting.endswith(")"):
            kind = self.setting.split(" (")[1].removesuffix(")")
            declared["embedding"] = {"encoder": kind, **ENCODERS[kind]}
        for place, value in self.given.items():
            put(declared, place, deepcopy(value))
        return declared

    @property
    def after(self) -> dict[str, Any]:
        """The declaration after the change."""
        declared = self.before
        put(declared, self.place, self.to)
        return declared


def put(declared: Any, place: str, value: Any) -> None:
    """Write a value at a dotted place of a declaration; sections on the way are made."""
    *sections, name = place.split(".")
    for section in sections:
        if isinstance(declared, list):
            declared = declared[int(section)]
        else:
            declared = declared.setdefault(section, {})
    declared[name] = value


RECORDS = ("cleaned_records",)
RULES = ("learned_rules",)
PAIRS = ("first_pass_pairs",)
NEIGHBOURS = ("embedding_blocks",)
VECTORS = ("record_embeddings",)
STATISTICS = ("encoder_statistics",)
SECOND = ("second_pass_pairs",)
TRUE = ("true_pairs",)
# The two sizes hold for blocks of any kind; what is over the cap is refined among strategies only.
SIZED = (
    *("blocks_name", "blocks_mail", "filtered_blocks"),
    *("learned_rules", "learned_blocks", "em_training_blocks"),
)
MODEL = ("em_model",)
GOLDEN = ("golden_records",)
# What was learned stays though records change, but not where the kinds of fields do.
OF_KINDS = ("em_model", "learned_rules", "pair_weights", "encoder_statistics")
DATED: Declaration = {**LINKED, "fields": {**WHOLE["fields"], "seen": "date", "born": "date"}}
NEWEST = {"survivorship": {"default": "newest", "newest_by": "seen"}}
DATABASE = {"sources": [{"database": "shop.duckdb", "table": "people"}]}
QUERY = {"sources": [{"url": "sqlite:///a.db", "query": "select 1", "name": "shop"}]}
EXPECTED = {
    "expectations": {
        "expect": [{"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "city"}}],
        "suites": [{"path": "suite.json"}],
    }
}
MADE_UP = {"sources": [{"generate": {"records": 100}}]}
BOTH_SIDES = {"truth": {"path": "pairs.csv", "left_source": "l", "right_source": "r"}}
OF_CITY: Declaration = {"comparisons.city": {}}
JARO_WINKLER = {"levels": "jaro_winkler"}
FIXED_LISTS = {"k": 5, "min_share_of_best": 0.4}
FIXED_RULES = {"rule_pairs_per_record": 6, "pairs_per_record": 60}
FIXED = {"embedding": {**FIXED_LISTS, "whole_record": False}, "learning": FIXED_RULES}
DENSE = {"embedding": {"encoder": "static"}}

CHANGES: Sequence[Change] = (
    Change("dataset", "customers"),
    Change("description", "Customers of the shop."),
    Change("owners", ["team:data"]),
    Change("mode", "link_and_dedupe", (*TRUE, "labels", *SIZED, *NEIGHBOURS), LINKED),
    Change("sources[].name", "shop", RECORDS),
    Change("sources[].path", "clients.csv", RECORDS),
    Change("sources[].format", "json", RECORDS),
    Change("sources[].csv.delimiter", ";", RECORDS),
    Change("sources[].csv.quote", "'", RECORDS),
    Change("sources[].csv.encoding", "latin-1", RECORDS),
    Change("sources[].database", "club.duckdb", RECORDS, given=DATABASE),
    Change("sources[].table", "clients", RECORDS, given=DATABASE),
    Change("sources[].url", "sqlite:///b.db", RECORDS, given=QUERY),
    Change("sources[].query", "select 2", RECORDS, given=QUERY),
    Change("sources[].generate.records", 200, RECORDS, given=MADE_UP),
    Change("sources[].generate.seed", 21, RECORDS, given=MADE_UP),
    Change("sources[].asset_key", ["shop", "people"]),
    Change("sources[].record_id", "number", RECORDS),
    Change("sources[].columns", {"city": "town"}, RECORDS),
    Change("fields", {**WHOLE["fields"], "city": "address"}, (*RECORDS, *OF_KINDS)),
    Change("cleaning.phone_region", "DE", RECORDS),
    Change("cleaning.gmail_dots", False, RECORDS),
    Change("cleaning.plus_tags", False, RECORDS),
    Change("cleaning.day_first", True, RECORDS),
    Change("cleaning.decimal_comma", True, RECORDS),
    Change("cleaning.placeholders", ["nobody"], RECORDS),
    Change("cleaning.numbers", {"city": "luhn"}, RECORDS, given={"fields.city": "identifier"}),
    # Records are cleaned alike; keys of the domain are others.
    Change(
        "cleaning.free_mail_domains",
        ["shop.example"],
        ("blocks_mail", "key_codes"),
        given={"strategies.mail": "email_domain(email)"},
    ),
    Change("cleaning.max_reject_rate", 0.1, RECORDS),
    Change("strategies", {**WHOLE["strategies"], "name": "last_name"}, ("blocks_name", *RULES)),
    Change("learning.promote", "always", OF_KINDS),
    Change("learning.rules", False, RULES),
    Change("learning.ranking", "lexicographic", RULES),
    Change("learning.k", 2, RULES),
    Change("learning.pairs_per_record", 50, RULES),
    Change("learning.rule_pairs_per_record", 5, RULES),
    Change("learning.max_pairs", 1_000_000, RULES),
    Change("learning.max_rules", 30, RULES),
    Change("learning.recall_floor", 0.9, RULES),
    Change("learning.n_covered", 100, RULES, given={"learning.ranking": "lexicographic"}),
    Change("learning.sample", 1_000, RULES),
    Change(
        "learning.seed",
        21,
        (
            *RULES,
            *MODEL,
            "pair_weights",
            "label_queue",
            "recall_sample",
            "missed_matches",
            "recall_views",
        ),
    ),
    Change("learning.pin", ["city"], RULES),
    Change("learning.ban", ["city"], RULES),
    # Rules and lists of neighbours follow the size of the budget, not how it is kept.
    Change("budget.pairs_per_record", 5, (*RULES, *NEIGHBOURS, *PAIRS)),
    Change("budget.max_pairs", 2_000, (*RULES, *NEIGHBOURS, *PAIRS)),
    Change("budget.floor_per_record", 2, PAIRS),
    Change("budget.on_over_budget", "fail", PAIRS),
    Change("blocks.min_size", 3, SIZED),
    Change("blocks.max_size", 9, SIZED),
    Change("blocks.oversized", "refine", ("filtered_blocks",), given={"blocks": {"max_size": 8}}),
    Change("blocks.refine_by", ["first_name", "city"], ("filtered_blocks",)),
    Change("embedding.fields", ["city"], (*STATISTICS, *VECTORS)),
    Change("embedding.k", 6, NEIGHBOURS),
    Change(
        "embedding.whole_record",
        False,
        (*STATISTICS, *NEIGHBOURS, *PAIRS),
        alone=("whole_vectors",),
    ),
    Change("embedding.min_similarity", 0.2, NEIGHBOURS),
    Change("embedding.min_share_of_best", 0.5, NEIGHBOURS),
    Change("embedding.direction", "small_to_large", NEIGHBOURS, LINKED),
    Change("embedding.max_pairs_per_record", 60),  # judged
    Change("embedding.min_recall", 0.9, NEIGHBOURS, given=DENSE),  # n-grams are searched without
    Change("embedding.flat_limit", 100, NEIGHBOURS, given=DENSE),
    Change("embedding.ngrams", "4", (*STATISTICS, *VECTORS)),
    Change("embedding.max_work_per_record", 20_000, NEIGHBOURS),
    Change("embedding.k (sentence_transformer)", 6, NEIGHBOURS),
    Change("embedding.min_similarity (sentence_transformer)", 0.8, NEIGHBOURS),
    Change("embedding.min_share_of_best (sentence_transformer)", 0.5, NEIGHBOURS),
    Change("embedding.min_recall (sentence_transformer)", 0.9, NEIGHBOURS),
    Change("embedding.model (sentence_transformer)", "models/large", VECTORS),
    Change("embedding.batch_size (sentence_transformer)", 32),
    Change("embedding.device (sentence_transformer)", "cpu"),
    Change("embedding.min_similarity (static)", 0.5, NEIGHBOURS),
    Change("embedding.min_share_of_best (static)", 0.5, NEIGHBOURS),
    Change("embedding.dims (static)", 64, VECTORS),
    Change("embedding.min_similarity (column)", 0.6, NEIGHBOURS),
    Change("embedding.column (column)", "other_vector", (*RECORDS, "pair_weights")),
    Change("second_pass.strategies", {"town": "left(city, 3)"}, SECOND),
    Change("second_pass.embedding", {"k": 7}, SECOND, given={"second_pass.embedding": {"k": 6}}),
    Change("second_pass.max_size", 1_000, SECOND),
    Change("second_pass.max_pairs", 1_000, SECOND),
    Change(
        "training_rules",
        {**WHOLE["training_rules"], "same_mail": "email_user(email)"},
        ("em_training_blocks",),
    ),
    Change("comparisons.FIELD.levels", "exact", MODEL, COMPARED, OF_CITY),
    Change(
        "comparisons.FIELD.thresholds", [0.9], MODEL, COMPARED, {"comparisons.city": JARO_WINKLER}
    ),
    Change("comparisons.FIELD.term_frequency", False, MODEL, COMPARED, OF_CITY),
    Change(
        "comparisons.FIELD.sql", ["left(city_l, 3) = left(city_r, 3)"], MODEL, COMPARED, OF_CITY
    ),
    Change("matching.threshold", 0.9, ("first_pass_matches",)),
    Change("matching.min_probability", 0.02, ("first_pass_matches",)),
    Change("matching.max_u_pairs", 10_000, MODEL),
    Change("matching.max_iterations", 40, MODEL),
    Change("matching.convergence", 0.001, MODEL),
    Change("matching.swapped_names", True, MODEL),
    Change("matching.recall.records", 100, ("recall_sample",)),
    Change("matching.recall.comparisons", 10_000, ("recall_sample",)),
    Change("matching.recall.min_probability", 0.5, ("recall_sample",)),
    Change("matching.one_to_one", True, ("entities", "match_quality"), LINKED),
    Change("matching.teaches_blocking", False, ("pair_weights",), WEIGHED),
    Change("survivorship.default", "longest", GOLDEN, given={"survivorship": {}}),
    Change("survivorship.fields", {"city": "longest"}, GOLDEN, given={"survivorship": {}}),
    Change("survivorship.newest_by", "born", GOLDEN, DATED, NEWEST),
    Change(
        *("survivorship.source_order", ["clients"], GOLDEN, LINKED),
        given={"survivorship": {"default": "source_order"}},
    ),
    Change("checks.min_key_coverage", 0.5),
    Change("checks.max_coverage_lost", 0.5),
    Change("checks.max_pairs", 1_000_000, ("missed_matches",)),
    Change("checks.max_pairs_per_strategy", {"name": 1_000}, ("missed_matches",)),
    Change("checks.max_memberships", 1_000_000),
    Change("checks.max_training_pairs", 1_000_000, MODEL),
    Change("checks.max_records_drop", 0.9),
    Change("checks.max_pairs_drop", 0.9),
    Change("checks.max_without_candidate", 0.9),
    Change("checks.max_matches_cut", 0.5),
    Change("checks.max_largest_block_share", 0.5),
    Change("checks.max_cleaned_away", 0.5),
    Change("checks.min_block_pairs_for_share", 100),
    Change("checks.match_share_warn", [0.1, 0.9]),
    Change("checks.match_share_fail", [0.01, 0.99], MODEL),
    Change("checks.max_m_difference", 0.5),
    Change("checks.max_doubtful_matches", 0.5, ("missed_matches",)),
    Change("checks.max_entity_size", 50, ("missed_matches",)),
    Change("checks.min_estimated_recall", 0.5),
    Change("checks.max_recall_drop", 0.5),
    Change("expectations.max_null_rate", {"email": 0.5}),
    Change("expectations.formats", {"email": ".+@.+"}),
    Change("expectations.expect[].type", "ExpectColumnToExist", given=EXPECTED),
    Change("expectations.expect[].kwargs", {"column": "email"}, given=EXPECTED),
    Change("expectations.expect[].severity", "info", given=EXPECTED),
    Change("expectations.expect[].table", "unified_pairs", given=EXPECTED),
    Change("expectations.suites[].path", "other.json", given=EXPECTED),
    Change("expectations.suites[].table", "unified_pairs", given=EXPECTED),
    Change("expectations.data_docs", False),
    Change("expectations.sample", 1_000),
    Change("schedule.cron", "0 3 * * *"),
    Change("schedule.timezone", "Europe/Berlin"),
    Change("schedule.enabled", False),
    *(Change(setting, to, given=given) for setting, to, given in OF_RUNS),
    Change("report.record_values", False),
    Change("lake.keep_days", 0),
    Change("lake.keep_versions", 5),
    Change("lake.keep_learned", 3),
    Change("lake.file_mode", "640"),
    Change("truth.path", "others.csv", TRUE),
    Change("truth.format", "csv", TRUE),
    Change("truth.csv.delimiter", ";", TRUE),
    Change("truth.csv.quote", "none", TRUE),
    Change("truth.csv.encoding", "latin-1", TRUE),
    Change("truth.left_id", "a", TRUE),
    Change("truth.right_id", "b", TRUE),
    Change("truth.left_source", "first", TRUE, given=BOTH_SIDES),
    Change("truth.right_source", "second", TRUE, given=BOTH_SIDES),
    # The column is read with the records, yet shapes nothing that finds pairs.
    Change(
        "truth.cluster_column",
        "house",
        TRUE,
        given={"truth": {"cluster_column": "person"}},
        alone=("true_clusters",),
    ),
    Change("labels.path", "answers.jsonl", ("labels",)),
    # How files are written that bring labels into the journal.
    Change("labels.csv.delimiter", ";"),
    Change("labels.csv.quote", "none"),
    Change("labels.csv.encoding", "latin-1"),
    Change("threads", 3),
    Change("memory_limit", "4GB"),
    Change("executor", "multiprocess"),
)

# Further ways to change a setting that shape other tables than the one above.
FURTHER: Mapping[str, Change] = {
    "strategies in another order": Change(
        "strategies",
        {"mail": "email", "name": ["soundex(last_name)", "left(first_name, 1)"]},
        ("filtered_blocks", *RULES),
    ),
    "fields in another order": Change(
        "fields", dict(reversed(list(WHOLE["fields"].items()))), (*RECORDS, *OF_KINDS)
    ),
    "another function in Python": Change(
        "strategies",
        {**WHOLE["strategies"], "name": ["metaphone(last_name)", "left(first_name, 1)"]},
        ("blocks_name", *RULES),
    ),
    "the same function of another field": Change(
        "training_rules",
        {"same_name": "soundex(last_name)", "same_mail": "email"},
        ("em_training_blocks",),
        given={"training_rules.same_name": "soundex(first_name)"},
    ),
    # The bits of learned rules come after all declared ones, and their names must be others.
    "one more strategy of the second pass": Change(
        "second_pass.strategies",
        {"town": "city", "first": "first_name"},
        (*SECOND, *PAIRS, *RULES),
    ),
    # Whether a rule leaves each compared field free is judged before the model is trained.
    "a field compared in another way": Change(
        "comparisons", {**dict.fromkeys(WHOLE["comparisons"], True), "city": "exact"}, MODEL
    ),
    "a field compared no more": Change(
        "comparisons", ["first_name", "last_name", "email"], ("em_training_rules", *MODEL)
    ),
    "the words of whole records, too": Change(
        "embedding.whole_record",
        True,
        ("encoder_statistics", *NEIGHBOURS, *PAIRS),
        given={"embedding.whole_record": False},
        alone=("whole_vectors", "cut_pairs"),
    ),
    "no cap": Change("blocks.max_size", None, SIZED),
    "no budget": Change("budget", None, (*RULES, *NEIGHBOURS, *PAIRS), alone=("cut_pairs",)),
    "a budget that lists do not follow": Change("budget.max_pairs", 2_000, PAIRS, given=FIXED),
    "a budget beside vectors that are brought": Change(
        "budget.max_pairs",
        2_000,
        PAIRS,
        given={
            "embedding": {"encoder": "column", **ENCODERS["column"], **FIXED_LISTS},
            "learning": FIXED_RULES,
        },
    ),
}
EVERY: Mapping[str, Change] = {**{change.setting: change for change in CHANGES}, **FURTHER}

# They have no other value, or put tables into the flow and take them out.
# Where the work is done takes two at once: test_spark_section.py changes those.
NOT_CHANGED = {"engine", "spark.local", "weights"}
