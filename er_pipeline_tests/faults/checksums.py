"""Print a checksum of every table of a fixed dataset, to hold one environment against another.

python -m er_pipeline_tests.faults.checksums > newest.txt
"""

import tempfile
from pathlib import Path

from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.flow import flow, open_lake, run

SETTINGS = {
    "dataset": "people",
    "sources": [{"generate": {"records": 1000, "seed": 5}}],
    "fields": {
        "first_name": "person_name",
        "last_name": "person_name",
        "email": "email",
        "company": "company",
        "birth_date": "date",
        "city": "text",
    },
    "strategies": {
        "sound": "soundex(last_name)",
        "first": "left(first_name, 3)",
        "mail": "email",
    },
    "training_rules": {"name": ["soundex(last_name)", "left(first_name, 1)"], "born": "birth_date"},
    "embedding": True,
    "budget": {"pairs_per_record": 3},
    "learning": {},
    "matching": True,
    "truth": {"cluster_column": "person_id"},
}


def main() -> None:
    """Make all tables, and print a line for each."""
    spec = PipelineSpec.model_validate(SETTINGS)
    with tempfile.TemporaryDirectory() as folder, DuckDBEngine(2) as engine:
        lake = open_lake(Path(folder), spec)
        for step, _ in run(flow(spec), lake, threads=2):
            for table in step.writes:
                if table.name == "neighbour_candidates":  # what a search keeps for the next one
                    continue
                lake.open(engine, table.name, "summed")
                rows = "summed"
                if table.name == "entity_events":  # without the moment of the run
                    rows = '(select * exclude ("at") from summed) as summed'
                row = engine.row_hash("to_json(summed)::varchar")
                n_rows, digest = engine.row(f"select count(*), bit_xor({row}) from {rows}")
                print(f"{table.name} {n_rows} {digest}", flush=True)


if __name__ == "__main__":
    main()
