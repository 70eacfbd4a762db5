from er_pipeline.evaluation.page.model_charts import (
    level_name,
    session_dots,
    shares_by_level,
    upset,
    waterfall,
    weight_bars,
)


def test_the_strategies_of_a_column_are_marked_and_joined() -> None:
    spec = upset([(["mail", "name"], 9), (["name"], 4)], ["name", "phone", "mail"])
    columns, matrix = spec["vconcat"]
    assert [row["pairs"] for row in columns["data"]["values"]] == [9, 4]
    cells = matrix["layer"][0]["data"]["values"]
    marked = [(cell["place"], cell["strategy"]) for cell in cells if cell["is in"]]
    assert marked == [(0, "name"), (0, "mail"), (1, "name")]
    spans = matrix["layer"][1]["data"]["values"]
    assert spans == [{"place": 0, "from": "name", "to": "mail"}]


def test_weights_for_and_against_have_colours_of_their_own() -> None:
    levels = [{"name": "a", "bits": 4.0}, {"name": "b", "bits": -2.0}]
    rows = weight_bars(levels)["data"]["values"]
    assert [list(row.values())[-1] for row in rows] == ["for a match", "against one"]


def test_an_m_of_nothing_still_stands_on_a_logarithmic_axis() -> None:
    rows = shares_by_level([{"name": "a", "m": 0.0, "u": 0.5}])["layer"][1]["data"]["values"]
    assert [row["share"] for row in rows] == [1e-9, 0.5]


def test_a_level_is_named_once() -> None:
    assert level_name("Exact match on first_name", "first_name") == "Exact match"


def test_a_waterfall_has_a_line_for_every_term() -> None:
    assert waterfall(9)["height"] > waterfall(3)["height"] > 0
    assert session_dots([{"field": "a", "session": "s", "m": 0.9}])["data"]["values"]
