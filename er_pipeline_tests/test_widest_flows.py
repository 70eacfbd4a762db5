from er_pipeline.terminal.widest_flows import widest_flows
from er_pipeline_tests.reference_sections import steps


def test_the_widest_flows_hold_every_table_and_check_of_other_declarations() -> None:
    widest = [step for flow in widest_flows() for step in flow]
    tables = {table.name for step in widest for table in step.writes}
    checks = {check.name for step in widest for check in step.checks}
    for step in steps():
        if not step.name.startswith("blocks_"):  # named after its strategy
            assert {table.name for table in step.writes} <= tables
        assert {check.name for check in step.checks} <= checks
