from typing import Any

from er_pipeline.blocking.spec.every_problem import every_problem

RIGHT: dict[str, Any] = {
    "dataset": "people",
    "sources": [{"path": "a.csv"}],
    "fields": {"name": "person_name"},
    "strategies": {"name": "name"},
}


def places(**settings: Any) -> set[str]:
    problems, _ = every_problem({**RIGHT, **settings})
    return {".".join(map(str, place)) for place, _ in problems}


def test_settings_that_are_right_have_no_problem() -> None:
    problems, spec = every_problem(RIGHT)
    assert problems == []
    assert spec is not None
    assert spec.dataset == "people"


def test_what_a_first_mistake_hides_is_found_too() -> None:
    found = places(
        blocks={"max_size": 1},
        strategies={"a": "nmae", "b": "name"},
        comparisons=["town"],
        schedule={"cron": "daily"},
    )
    assert found == {"blocks.max_size", "strategies.a", "comparisons", "schedule.cron"}


def test_what_hangs_on_a_mistake_is_no_mistake_of_its_own() -> None:
    assert places(fields={"name": "persn_name"}) == {"fields.name"}
    assert places(strategies={"a": "nmae"}) == {"strategies.a"}
    assert places(sources=[{"paht": "a.csv"}]) == {"sources.0.paht"}
    assert places(dataset="my people", threads=0) == {"dataset", "threads"}


def test_the_settings_that_are_right_make_a_spec_and_are_left_alone() -> None:
    settings = {**RIGHT, "threads": 0, "strategies": {"a": "nmae"}}
    _, spec = every_problem(settings)
    assert spec is not None
    assert spec.threads is None
    assert settings["threads"] == 0
    assert settings["strategies"] == {"a": "nmae"}


def test_what_is_no_mapping_is_one_problem() -> None:
    problems, spec = every_problem([1])
    assert len(problems) == 1
    assert spec is None
