"""Loaded once by the server that forks the runs: what all of them need; no database is opened."""

import numpy
import pandas
import pyarrow
import scipy.sparse
import sparse_dot_topn

import er_pipeline.orchestration.component
import er_pipeline.terminal.run
import er_pipeline.terminal.run_answer
from er_pipeline.blocking.spec.pipeline import PipelineSpec
from er_pipeline.blocking.tables.step import plans_of
from er_pipeline.flow import flow

LOADED = (numpy, pandas, pyarrow, scipy.sparse, sparse_dot_topn, er_pipeline)

for settings in ({}, {"embedding": True, "matching": True}):
    plans_of(  # the digests of the code are kept
        flow(
            PipelineSpec.model_validate(
                {
                    "dataset": "people",
                    "sources": [{"path": "people.csv"}],
                    "fields": {"last_name": "person_name", "email": "email"},
                    "truth": {"cluster_column": "person_id"},
                    **settings,
                }
            )
        )
    )
