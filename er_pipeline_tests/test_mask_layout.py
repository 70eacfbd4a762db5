from collections.abc import Callable

import pytest

from er_pipeline.blocking.pairs.mask_layout import MaskLayout, bit_sql
from er_pipeline.blocking.tables.engine import Engine
from er_pipeline_tests.conftest import Dataset


@pytest.mark.parametrize("bit", [0, 1, 29, 30, 31, 59, 62])
def test_a_bit_is_written_as_the_number_that_it_stands_for(engine: Engine, bit: int) -> None:
    assert engine.row(f"select {bit_sql(bit)}") == (1 << bit,)


def test_strategies_have_the_bits_of_their_order_whatever_they_are(
    dataset: Callable[..., Dataset],
) -> None:
    people = dataset(
        [{"id": "a", "x": "p", "y": "q r"}, {"id": "b", "x": "p", "y": "r"}],
        strategies={"words": "tokens(y)", "x": "x"},
        second_pass={"strategies": {"initial": "left(x, 1)"}},
        weights=False,
    )
    people.second()
    layout = MaskLayout.of(people.spec, people.lake)
    assert layout.bits() == {"words": 0, "x": 1, "initial": 2}
    assert (layout.listed, layout.single) == (((0, "words"),), ((1, "x"),))
    assert len(layout.ready) == 1
    assert layout.evidence_columns() == []
