from er_pipeline.terminal.checks_page import described_checks
from er_pipeline.terminal.settings_page import settings_rows
from er_pipeline_tests.reference_sections import section, steps


def test_every_check_stands_in_the_page_by_its_table() -> None:
    for step in steps():
        for check in step.checks:
            text = " ".join(section("checks", step.name).split())
            severity = "error, stops the run" if check.stops else "warning"
            assert f"- `{check.name}`: {severity}. {check.why}" in text
            for limit in check.limits:
                assert f"`{limit}`" in text
    assert "`fits_contract`" in section("checks", "Every table")


def test_limits_of_checks_are_settings_and_every_limit_is_named() -> None:
    checks = [check for by_name in described_checks().values() for check in by_name.values()]
    named = {limit for check in checks for limit in check.limits}
    places = {row.place for row in settings_rows()}
    assert named <= places
    assert {place for place in places if place.startswith("checks.")} <= named
