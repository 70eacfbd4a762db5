import os
from collections.abc import Callable, Iterator

import pytest

from er_pipeline.blocking.tables import value_workers
from er_pipeline.blocking.tables.engine_duckdb import DuckDBEngine
from er_pipeline.blocking.tables.value_workers import ValueWorkers

VALUES = [f"v{i}" for i in range(100)]


def upper(value: str) -> str | None:
    return None if value == "v7" else value.upper()


def where(value: str) -> str:
    return str(os.getpid())


def fails(value: str) -> str:
    return str(int(value.removeprefix("v")) // (int(value.removeprefix("v")) - 99))


def fails_at_once(value: str) -> str:
    raise ValueError(value)


def prints(value: str) -> str:
    print(value)
    return value


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ValueWorkers]:
    monkeypatch.setattr(value_workers, "LEAST_CHARACTERS", 1)
    found = ValueWorkers(2)
    yield found
    found.close()


def test_results_are_those_of_the_function_in_the_order_of_the_values(
    workers: ValueWorkers,
) -> None:
    for _ in range(2):
        assert workers.results(upper, VALUES) == [upper(value) for value in VALUES]
    assert workers.results(prints, VALUES) == VALUES  # another function, that prints
    assert workers.results(upper, ["v1"]) == ["V1"]
    assert workers.results(upper, []) == []


def test_another_process_takes_its_share(workers: ValueWorkers) -> None:
    here = workers.results(where, VALUES).count(str(os.getpid()))
    assert here == len(VALUES) // 2


@pytest.mark.parametrize("processes", [1, 2])
def test_one_process_or_little_text_needs_no_other(processes: int) -> None:
    alone = ValueWorkers(processes)
    assert set(alone.results(where, VALUES)) == {str(os.getpid())}
    alone.close()


def test_a_function_that_cannot_be_handed_over_is_called_here(workers: ValueWorkers) -> None:
    assert workers.results(lambda value: value + str(os.getpid()), ["a", "b"]) == [
        f"a{os.getpid()}",
        f"b{os.getpid()}",
    ]


@pytest.mark.parametrize("call", [fails, fails_at_once])
def test_an_error_of_the_function_is_raised_here(
    workers: ValueWorkers, call: Callable[[str], str]
) -> None:
    with pytest.raises((ZeroDivisionError, ValueError)):
        workers.results(call, VALUES)
    assert workers.results(upper, VALUES) == [upper(value) for value in VALUES]


def test_a_worker_that_is_killed_loses_nothing(workers: ValueWorkers) -> None:
    workers.results(upper, VALUES)
    assert workers._workers
    workers._workers[0].kill()
    workers._workers[0].wait()
    assert workers.results(upper, VALUES) == [upper(value) for value in VALUES]


def test_an_engine_ends_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_workers, "LEAST_CHARACTERS", 1)
    with DuckDBEngine(threads=2) as engine:
        engine.map_distinct("places", "select 'v' || range from range(1000)", where)
        assert len(engine.rows("select distinct result from places")) == 2
        started = list(engine._workers._workers or [])
    assert [worker.poll() for worker in started] == [0]
