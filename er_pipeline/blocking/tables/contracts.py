"""The tables and their contracts: columns, types and what each one means, for people and checks.

One place tells what a table holds. The catalog's views, the column schemas that Dagster shows and
the pandera schemas that check a sample of every table are all made from it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from er_pipeline.blocking.blocks.blocks import REASONS
from er_pipeline.blocking.labels.label_queue import QUEUE_REASONS
from er_pipeline.blocking.labels.labels import ANSWERS
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine, literal, parquet_files, quoted
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.values.key_choices import listed_choices

if TYPE_CHECKING:
    import pandera.pandas as pa

# Why a true pair is not found, from the first thing that can go wrong to the last.
MISSED_CAUSES = (
    "no_key",
    "keys_differ",
    "below_similarity",
    "block_dropped",
    "cut_by_budget",
    "below_threshold",
)
# Rows of a table that its pandera schema looks at; whole-table facts are checked in SQL.
ROWS_LOOKED_AT = 10_000


@dataclass(frozen=True)
class Column:
    """One column of a table in the lake.

    type: as DuckDB writes it. required: never NULL. allowed: the only values, where few.
    minimum: the smallest value, for numbers.
    """

    name: str
    type: str
    description: str
    required: bool = True
    allowed: tuple[str, ...] = ()
    minimum: float | None = None


RECORD_NO = Column("record_no", "INTEGER", "Number of the record in cleaned_records", minimum=0)
RECORD_ID = Column("record_id", "VARCHAR", "The record's id, as its source wrote it")
SOURCE = Column("source", "VARCHAR", "Name of the source the record is from")
SOURCE_NO = Column("source_no", "SMALLINT", "Number of that source, from 0", minimum=0)
BLOCK_KEY = Column("block_key", "VARCHAR", "The key that the block's records share")
BLOCK_SIZE = Column("block_size", "BIGINT", "Records in the block", minimum=1)
LEFT_NO = Column("left_no", "INTEGER", "Number of the left record", minimum=0)
RIGHT_NO = Column("right_no", "INTEGER", "Number of the right record", minimum=0)


def columns_of(table: str, spec: PipelineSpec) -> list[Column]:
    """List the columns of a table, in their order.

    Raises KeyError for a name that is no table of the spec.
    """
    strategies = tuple(strategy.name for strategy in spec.strategy_conjunctions)
    rules = tuple(rule.name for rule in spec.training_conjunctions)
    strategy = Column("strategy", "VARCHAR", "Name of the strategy", allowed=strategies)
    rule = Column("rule", "VARCHAR", "Name of the training rule", allowed=rules)
    if table.startswith("blocks_") and table.removeprefix("blocks_") in strategies:
        return [BLOCK_KEY, RECORD_ID, SOURCE, RECORD_NO, SOURCE_NO]
    fields = [
        Column(name, "VARCHAR", f"Clean {kind.replace('_', ' ')}; NULL is no value", required=False)
        for name, kind in spec.field_kinds.items()
    ]
    if spec.truth and spec.truth.cluster_column:
        fields.append(Column("true_cluster", "VARCHAR", "The known entity, for evaluation", False))
    if spec.vector_column:
        fields.append(Column("user_vector", "FLOAT[]", "The vector that its source brought", False))
    similarity = Column("similarity", "FLOAT", "Cosine similarity, of neighbours", required=False)
    with_similarity = [similarity] if spec.encoder else []
    weight = Column("weight", "FLOAT", "Evidence for a match; 1 singles out one record")
    with_weight = [weight] if spec.weights else []
    compared = tuple(spec.comparison_fields)
    pairs = [
        LEFT_NO,
        RIGHT_NO,
        Column("strategy_mask", "BIGINT", "Bit i is the i-th strategy", minimum=1),
        *with_similarity,
        *with_weight,
    ]
    matches = [
        LEFT_NO,
        RIGHT_NO,
        Column("match_probability", "DOUBLE", "Probability of a match", minimum=0),
        Column("match_weight", "FLOAT", "The same as log2 of the odds, in bits"),
        *(
            Column(f"gamma_{name}", "TINYINT", f"Level of {name}; -1: missing", minimum=-1)
            for name in spec.comparison_fields
        ),
    ]
    tables = {
        "cleaned_records": [RECORD_NO, RECORD_ID, SOURCE, SOURCE_NO, *fields],
        "rejected_records": [
            SOURCE,
            Column("line", "BIGINT", "Line of the file", minimum=1),
            Column("reason", "VARCHAR", "Why the row cannot be read"),
            Column("text", "VARCHAR", "The row as it stands in the file"),
        ],
        "true_pairs": [LEFT_NO, RIGHT_NO],
        "labels": [
            LEFT_NO,
            RIGHT_NO,
            Column("answer", "VARCHAR", "What was said of the pair", allowed=ANSWERS),
            Column("who", "VARCHAR", "Who said it"),
            Column("at", "VARCHAR", "When, in UTC, as ISO 8601"),
            Column("source", "VARCHAR", "Where it comes from: human, import, model"),
            Column("reason", "VARCHAR", "Why the pair was asked; imported where it was not"),
        ],
        "key_codes": [
            RECORD_NO,
            SOURCE_NO,
            *(
                column
                for i, choice in enumerate(spec.key_choices)
                for column in (
                    Column(f"code_{i}", "INTEGER", f"Number of {choice.expression}; < 0 is none"),
                    Column(f"idf_{i}", "TINYINT", "Its rarity, in eighths of a nat", minimum=0),
                )
            ),
        ],
        "blocks_train": [
            RECORD_NO,
            RECORD_ID,
            SOURCE,
            *(
                Column(choice.expression, "VARCHAR", "The record's key, if any", required=False)
                for choice in (
                    *spec.key_choices,
                    *listed_choices(spec.field_kinds, spec.field_kinds),
                )
            ),
        ],
        "learned_rules": [
            Column("rule_no", "INTEGER", "Place of the rule, best first", minimum=0),
            Column("rule", "VARCHAR", "Name of the rule"),
            Column("expression", "VARCHAR", "The rule's keys; all must be equal"),
            Column("sql", "VARCHAR", "The same, as it is computed over cleaned_records"),
            Column("source_columns", "VARCHAR[]", "Fields the rule reads"),
            Column("origin", "VARCHAR", "pinned or learned", allowed=("pinned", "learned")),
            Column("support", "BIGINT", "Labelled matches that share its keys", minimum=0),
            Column("non_matches", "BIGINT", "Labelled non-matches that do", minimum=0),
            Column("evidence_found", "DOUBLE", "Share of known and probable matches it finds"),
            Column("evidence_new", "DOUBLE", "Share that no rule before it finds"),
            Column("recall", "DOUBLE", "Share of held-out entities it finds", False),
            Column("recall_low", "DOUBLE", "Lower end of the 95% interval", False),
            Column("recall_high", "DOUBLE", "Upper end of the 95% interval", False),
            Column("pairs", "BIGINT", "Exact number of pairs on the full data", minimum=0),
            Column("new_pairs", "BIGINT", "About so many that no rule before it makes", minimum=0),
            Column("largest_block", "BIGINT", "Records in its largest block", minimum=0),
            Column("seed", "BIGINT", "Seed of the search's samples", minimum=0),
        ],
        "learned_blocks": [
            Column("rule", "VARCHAR", "Name of the learned rule"),
            BLOCK_KEY,
            BLOCK_SIZE,
            RECORD_ID,
            SOURCE,
            RECORD_NO,
            Column("block_no", "INTEGER", "Number of the block in its rule", minimum=0),
        ],
        "pair_weights": [
            Column("field", "VARCHAR", "The field that speaks"),
            Column("level", "SMALLINT", "0: agreement in nothing; then narrow to wide", minimum=0),
            Column("key", "VARCHAR", "The narrowest key that is shared, or nothing"),
            Column("m", "DOUBLE", "Share of the matches that agree just so far", minimum=0),
            Column("log_m", "DOUBLE", "Its logarithm; idf comes on top, value by value"),
            Column(
                "m_related",
                "DOUBLE",
                "The same share of pairs of relatives, where the data show such a class",
                required=False,
            ),
        ],
        "label_queue": [
            Column("queue_no", "INTEGER", "Place in the queue", minimum=0),
            LEFT_NO,
            RIGHT_NO,
            Column("reason", "VARCHAR", "Why it is asked", allowed=QUEUE_REASONS),
            Column("weight", "DOUBLE", "The pair's weight", required=False),
            Column("rules", "VARCHAR[]", "What proposed it", required=False),
        ],
        "filtered_blocks": [
            strategy,
            BLOCK_KEY,
            BLOCK_SIZE,
            RECORD_ID,
            SOURCE,
            RECORD_NO,
            Column("block_no", "INTEGER", "Number of the block in its strategy", minimum=0),
        ],
        "dropped_blocks": [
            # Learned rules have names that no declaration knows.
            Column("strategy", "VARCHAR", "Name of the strategy") if spec.learns else strategy,
            BLOCK_KEY,
            BLOCK_SIZE,
            Column("pairs", "BIGINT", "Pairs that dropping or dividing it avoided", minimum=0),
            Column("reason", "VARCHAR", "Why the block is not compared", allowed=REASONS),
            Column(
                "matches_lost",
                "DOUBLE",
                "Labelled matches in it, and in no block that is compared; NULL without labels",
                required=False,
                minimum=0,
            ),
        ],
        "first_pass_pairs": pairs,
        "unified_pairs": pairs,
        "record_embeddings": [
            RECORD_NO,
            SOURCE_NO,
            Column("text_no", "INTEGER", "Number of the record's text and vector", minimum=0),
        ],
        "embedding_blocks": [
            LEFT_NO,
            RIGHT_NO,
            Column("similarity", "FLOAT", "Cosine similarity of the two texts", minimum=-1),
            Column("rank", "SMALLINT", "Place in the better of their two lists", minimum=1),
        ],
        "second_pass_pairs": [
            LEFT_NO,
            RIGHT_NO,
            Column("strategy_mask", "BIGINT", "Bit i is the i-th strategy", minimum=1),
            *with_similarity,
        ],
        "em_training_blocks": [rule, BLOCK_KEY, RECORD_ID, SOURCE, RECORD_NO],
        "em_training_rules": [
            rule,
            Column("expression", "VARCHAR", "The rule's keys; all must be equal"),
            Column("source_columns", "VARCHAR[]", "Fields the rule reads, and so fixes"),
            Column("pairs", "BIGINT", "Exact number of pairs of its session", minimum=0),
            Column("largest_block", "BIGINT", "Records in its largest block", minimum=0),
            Column("expected_match_share", "DOUBLE", "As strong identifiers tell it", False),
        ],
        "em_model": [
            Column("comparison", "VARCHAR", "The field compared", allowed=compared),
            Column("level", "SMALLINT", "0: other values; the highest: equal ones", minimum=0),
            Column("label", "VARCHAR", "What values on the level are like"),
            Column("m", "DOUBLE", "Share of the matches on the level", minimum=0),
            Column("u", "DOUBLE", "Share of all other pairs on it", minimum=0),
            Column("match_weight", "DOUBLE", "log2(m / u): what it says for a match, in bits"),
            Column("condition", "VARCHAR", "The level's SQL over <field>_l and <field>_r"),
        ],
        "weak_labels": [
            LEFT_NO,
            RIGHT_NO,
            Column("match_probability", "DOUBLE", "Near 0 or 1, as the model says", minimum=0),
        ],
        "first_pass_matches": matches,
        "matches": matches,
        "entities": [
            RECORD_NO,
            Column("entity_no", "INTEGER", "Least record_no of the entity", minimum=0),
        ],
        "match_quality": [
            Column("threshold", "DOUBLE", "Least match probability of a match", minimum=0),
            Column("matches", "BIGINT", "Pairs that reach it", minimum=0),
            Column("true_matches", "BIGINT", "Those of them that are true", minimum=0),
            Column("precision", "DOUBLE", "Share of the matches that are true", minimum=0),
            Column("recall", "DOUBLE", "Share of all true pairs that are matches", minimum=0),
            Column("f1", "DOUBLE", "Harmonic mean of precision and recall", minimum=0),
        ],
        "missed_matches": [
            LEFT_NO,
            RIGHT_NO,
            Column("cause", "VARCHAR", "What stood in its way last", allowed=MISSED_CAUSES),
            Column("detail", "VARCHAR", "The keys, block, weight, cosine or score in question"),
            Column("remedy", "VARCHAR", "The cheapest change that would find it, and its cost"),
        ],
        "recall_sample": [
            Column("record_no", "INTEGER", "The sampled record, one of the two", minimum=0),
            LEFT_NO,
            RIGHT_NO,
            Column("match_probability", "DOUBLE", "As the model scores the pair", minimum=0),
            Column("is_candidate", "BOOLEAN", "Whether it stands in unified_pairs"),
        ],
        "blocking_report": [
            Column("section", "VARCHAR", "run, strategies, size_classes, truth, matching, ..."),
            Column("name", "VARCHAR", "Strategy, class, cause or remedy; empty for the whole run"),
            Column("metric", "VARCHAR", "What was measured"),
            Column("value", "DOUBLE", "The figure"),
        ],
    }
    return tables[table]


def pandera_schema(table: str, spec: PipelineSpec) -> "pa.DataFrameSchema":
    """Make the pandera schema of a table's contract."""
    import pandera.pandas as pa

    def checks(column: Column) -> list[pa.Check]:
        made = []
        if column.allowed:
            made.append(pa.Check.isin(column.allowed))
        if column.minimum is not None:
            made.append(pa.Check.ge(column.minimum))
        if column.type == "VARCHAR" and column.name == "block_key":
            made.append(pa.Check(lambda keys: keys.str.strip() != "", error="no blank key"))
        return made

    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                nullable=not column.required,
                checks=checks(column),
                description=column.description,
            )
            for column in columns_of(table, spec)
        },
        strict=True,
        ordered=True,
        name=table,
    )


def judge_contract(engine: DuckDBEngine, lake: Lake, spec: PipelineSpec, table: str) -> Verdict:
    """Hold a table of the lake against its contract.

    Names and types of the columns are compared for the whole table, values by pandera on evenly
    spread rows.
    """
    import pandera.errors

    engine.read(lake, table)
    described = engine.rows(f"describe select * from {quoted(table)}")
    found = [(name, kind) for name, kind, *_ in described]
    wanted = [(column.name, column.type) for column in columns_of(table, spec)]
    failures = []
    if found != wanted:
        failures.append(f"columns are {found}, the contract says {wanted}")
    (n_rows,) = engine.row(f"select count(*) from {quoted(table)}")
    step = max(1, -(-n_rows // ROWS_LOOKED_AT))
    # Files keep their row numbers, so the same rows are looked at every time.
    sample = engine.con.execute(
        f"select {', '.join(quoted(name) for name, _ in found)}"
        f" from {parquet_files(lake.path(table), 'file_row_number = true')}"
        f" where file_row_number % {step} = 0"
    ).df()
    try:
        pandera_schema(table, spec).validate(sample, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        failures += [
            f"{case.column}: {case.check} (found {case.failure_case!r})"
            for case in errors.failure_cases.head(5).itertuples()
        ]
    text = f"{len(sample):,} of {n_rows:,} rows looked at fit the contract."
    if failures:
        text = f"Does not fit its contract: {'; '.join(failures)}."
    return Verdict("fits_contract", not failures, "error", text, {"rows_looked_at": len(sample)})


PAIR_TABLES = (
    "unified_pairs",
    "first_pass_pairs",
    "true_pairs",
    "missed_matches",
    "recall_sample",
    "embedding_blocks",
    "second_pass_pairs",
    "labels",
    "weak_labels",
    "label_queue",
)


# How each table reads in the catalog, where that is not simply all its columns. Ids stand as the
# user wrote them, and a pair's strategies as a list of names.
def catalog_select(table: str, spec: PipelineSpec, relations: dict[str, str]) -> str:
    """Write the query of a table's view in the catalog.

    relations: table -> what to read it from, such as read_parquet('...').
    """
    relation = relations[table]
    if table == "cleaned_records":
        fields = "".join(f", {quoted(name)}" for name in spec.field_kinds)
        return f"select record_id, source{fields}, record_no from {relation}"
    if table.startswith("blocks_") and table != "blocks_train":
        return f"select block_key, record_id, source from {relation}"
    if table == "filtered_blocks" and spec.learns:
        columns = "block_key, block_size, record_id, source"
        return (
            f"select strategy, {columns} from {relation}"
            f" union all select rule, {columns} from {relations['learned_blocks']}"
        )
    if table == "filtered_blocks":
        return f"select strategy, block_key, block_size, record_id, source from {relation}"
    if table == "record_embeddings":
        records = relations["cleaned_records"]
        return (
            f"select r.record_id, r.source, e.text_no from {relation} as e"
            f" join {records} as r on r.record_no = e.record_no"
        )
    if table in ("matches", "first_pass_matches"):
        of_pass = "first_pass_pairs" if table == "first_pass_matches" else "unified_pairs"
        pairs = catalog_select(of_pass, spec, relations)
        return (
            "select u.left_id, u.right_id, m.match_probability, m.match_weight, u.strategies,"
            f" u.left_source, u.right_source from {relation} as m"
            " join (" + pairs.replace("select ", "select p.left_no, p.right_no, ", 1) + ") as u"
            " on u.left_no = m.left_no and u.right_no = m.right_no"
        )
    if table == "entities":
        records = relations["cleaned_records"]
        # Names of sources hold no hyphen, so this names one record alone.
        entity = "e.record_id" if spec.link_mode == "dedupe" else "e.source || '-' || e.record_id"
        return (
            f"select r.record_id, r.source, {entity} as entity_id from {relation} as t"
            f" join {records} as r on r.record_no = t.record_no"
            f" join {records} as e on e.record_no = t.entity_no"
        )
    if table == "em_training_blocks":
        return f"select rule, block_key, record_id, source from {relation}"
    if table == "learned_blocks":
        return f"select rule, block_key, block_size, record_id, source from {relation}"
    if table in PAIR_TABLES:
        columns = "l.record_id as left_id, r.record_id as right_id"
        if table == "embedding_blocks":
            columns += ", p.similarity, p.rank"
        if table == "missed_matches":
            columns += ", p.cause, p.detail, p.remedy"
        if table == "recall_sample":
            columns += (
                ", case p.record_no when p.left_no then 'left' else 'right' end as sampled,"
                " p.match_probability, p.is_candidate"
            )
        if table == "labels":
            columns += ', p.answer, p.who, p."at", p.source, p.reason'
        if table == "weak_labels":
            columns += ", p.match_probability"
        if table == "label_queue":
            columns = f"p.queue_no, {columns}, p.reason, p.weight, p.rules"
        candidates = table in ("unified_pairs", "first_pass_pairs")
        if candidates or table == "second_pass_pairs":
            names = f"[{', '.join(literal(name) for name in spec.proposers)}]::varchar[]"
            if spec.learns and candidates:
                rules = relations["learned_rules"]
                names += f" || (select list(rule order by rule_no) from {rules})"
            similarity = "p.similarity" if spec.encoder else "null::float as similarity"
            columns += (
                f", list_filter({names}, lambda name, i: ((p.strategy_mask >> (i - 1)) & 1) = 1)"
                f" as strategies, {similarity}"
            )
        if candidates and spec.weights:
            columns += ", p.weight"
        records = relations["cleaned_records"]
        return (
            f"select {columns}, l.source as left_source, r.source as right_source"
            f" from {relation} as p join {records} as l on l.record_no = p.left_no"
            f" join {records} as r on r.record_no = p.right_no"
        )
    return f"select * from {relation}"
