from er_pipeline.terminal.list_items import WIDTH, list_item
from er_pipeline_tests.reference_sections import page


def test_list_items_are_narrow() -> None:
    text = list_item("word " * 40, "short")
    assert text.startswith("- word")
    assert text.endswith("  \n  short")
    assert max(map(len, text.splitlines())) <= WIDTH + len("  ")
    for name in ("settings", "checks", "keys"):
        lines = [line for line in page(name).splitlines() if line.startswith(("- ", "  "))]
        assert max(map(len, lines)) <= WIDTH + len("  ")
