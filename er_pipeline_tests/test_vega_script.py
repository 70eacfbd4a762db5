from er_pipeline.evaluation.page import vega_script
from er_pipeline.evaluation.page.vega_script import read_libraries


def test_the_libraries_can_stand_in_a_page() -> None:
    scripts = read_libraries()
    assert len(scripts) == len(vega_script.LIBRARIES)
    for script in scripts:
        assert "</script" not in script
        assert "sourceMappingURL" not in script
    assert sum(map(len, scripts)) < 2_000_000


def test_the_libraries_are_those_that_the_specifications_name() -> None:
    (lite,) = (vega_script.library_folder()).glob("vega-lite@*")
    assert lite.name.startswith("vega-lite@5.")
