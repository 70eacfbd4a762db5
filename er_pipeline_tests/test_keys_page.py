import pytest

from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.values.key_functions import KEY_FUNCTIONS
from er_pipeline.terminal.keys_page import block_keys, example_of
from er_pipeline_tests.reference_sections import section


@pytest.mark.parametrize("name", KEY_FUNCTIONS)
def test_every_key_function_stands_in_the_page_with_what_it_gives(name: str) -> None:
    function = KEY_FUNCTIONS[name]
    with DuckDBEngine(threads=1) as engine:
        keys = example_of(engine, function)
    result = function.example.result
    assert keys == ([result] if isinstance(result, str) else list(result))
    text = " ".join(section("keys", "Functions").split())
    assert f"- `{function.signature}`: {function.about} `{name}(" in text
    assert f" gives {', '.join(f'`{key}`' for key in keys)}." in text


def test_block_keys_of_a_conjunction_join_its_keys() -> None:
    with DuckDBEngine(threads=1) as engine:
        fields = {"last_name": "smith", "words": "b a"}
        assert block_keys(engine, ["left(last_name, 3)", "tokens(words)"], fields) == [
            "smia",
            "smib",
        ]
