"""What goes wrong on purpose: each program breaks one thing in many ways and counts what held.

python -m er_pipeline_tests.faults.hostile_inputs     files as strangers write them, and torn ones
"""
