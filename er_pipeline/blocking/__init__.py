"""Blocking: an engine and a spec in, tables out. Knows no Dagster.

The flow, each step one function around its SQL:

1. `clean_records`: raw rows -> cleaned_records, every field clean or NULL
   `index_keys`: -> key_codes, one number per record and key;
   `learn_rules`: -> learned_rules; `build_learned_blocks`: -> learned_blocks
2. `build_blocks`: records + one strategy -> blocks_<strategy>;
   `filter_blocks`: -> filtered_blocks, dropped_blocks, record_codes; `refine_blocks` divides
   what is over the cap
3. `weigh_pairs`: what agreement says -> pair_weights;
   `unify_pairs`: every block -> unified_pairs, each pair once with all its strategies and its
   weight, the best of them within the budget
4. `build_em_training_blocks`: training rules -> em_training_blocks, em_training_rules
5. `evaluate`: what the pairs are worth -> blocking_report

A strategy, a learned rule and a training rule are the same thing, a `Conjunction` of keys:
`keys.py` parses it, `blocks.py` counts it and blocks it. `count_dataset` does all the counting
without making a pair.
"""

from er_pipeline.blocking.blocks.blocks import build_blocks
from er_pipeline.blocking.blocks.em_training_blocks import build_em_training_blocks
from er_pipeline.blocking.blocks.filtered_blocks import filter_blocks
from er_pipeline.blocking.labels.labels import read_labels
from er_pipeline.blocking.learning.learned_blocks import build_learned_blocks
from er_pipeline.blocking.learning.learned_rules import learn_rules
from er_pipeline.blocking.pairs.unified_pairs import unify_pairs
from er_pipeline.blocking.records.cleaned_records import clean_records
from er_pipeline.blocking.records.key_codes import index_keys
from er_pipeline.blocking.records.true_pairs import number_true_pairs
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.spec.yaml_file import read_spec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.errors import (
    BlockingError,
    BudgetError,
    InputError,
    LakeError,
    SpecError,
)
from er_pipeline.blocking.tables.lake import Lake
from er_pipeline.blocking.tables.verdicts import Verdict
from er_pipeline.blocking.values.key_parser import parse_conjunction
from er_pipeline.blocking.values.keys import Conjunction
from er_pipeline.blocking.weights.pair_weights import weigh_pairs
from er_pipeline.evaluation.blocking_report import evaluate
from er_pipeline.evaluation.dry_run import count_dataset

__all__ = [
    "BlockingError",
    "BudgetError",
    "Conjunction",
    "DuckDBEngine",
    "InputError",
    "Lake",
    "LakeError",
    "PipelineSpec",
    "SpecError",
    "Verdict",
    "build_blocks",
    "build_em_training_blocks",
    "build_learned_blocks",
    "clean_records",
    "count_dataset",
    "evaluate",
    "filter_blocks",
    "index_keys",
    "learn_rules",
    "number_true_pairs",
    "parse_conjunction",
    "read_labels",
    "read_spec",
    "unify_pairs",
    "weigh_pairs",
]
