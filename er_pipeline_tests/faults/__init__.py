"""Faults: programs that break things on purpose, each one thing in many ways, and count what held.

python -m er_pipeline_tests.faults.kills              runs killed at random, and while they publish
python -m er_pipeline_tests.faults.reader_nights      nights under a reader that never closes
python -m er_pipeline_tests.faults.checksums          the tables of small runs, for two environments
python -m er_pipeline_tests.faults.hostile_inputs     files as strangers write them, and torn ones
python -m er_pipeline_tests.faults.hostile_yaml       declarations that are broken, deep or endless
"""
