"""What the pipeline costs, measured: each program is run by hand and says whether its aim is met.

    python -m er_pipeline_tests.benchmarks.unified_pairs     pairs, beside the bound and Splink
    python -m er_pipeline_tests.benchmarks.neighbours        lexical neighbours, beside plain TF-IDF
    python -m er_pipeline_tests.benchmarks.whole_graph       a million people from CSV to catalog
    python -m er_pipeline_tests.benchmarks.demo              er-pipeline demo, and loading the graph
    python -m er_pipeline_tests.benchmarks.nothing_changed   a night without a change
    python -m er_pipeline_tests.benchmarks.best_pairs        strategies: auto, within a budget
    python -m er_pipeline_tests.benchmarks.every_set         the same on every set, beside rivals
    python -m er_pipeline_tests.benchmarks.matching          matches, beside Splink alone
    python -m er_pipeline_tests.benchmarks.recall            recall without truth, beside the truth
    python -m er_pipeline_tests.benchmarks.measured          all tables of the pages, old and new

Every figure comes from a process of its own. On a machine that others use too, CPU seconds and
ratios between ways measured in turn say something; wall time does not.
"""
