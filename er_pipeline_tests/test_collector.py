import gc

from er_pipeline.blocking.tables.collector import collector_at_rest


def test_nothing_is_collected_in_the_block_and_blocks_may_lie_in_each_other() -> None:
    assert gc.isenabled()
    with collector_at_rest():
        with collector_at_rest():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_wakes_it_and_who_had_it_off_keeps_it_off() -> None:
    try:
        with collector_at_rest():
            raise KeyError
    except KeyError:
        assert gc.isenabled()
    gc.disable()
    try:
        with collector_at_rest():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
