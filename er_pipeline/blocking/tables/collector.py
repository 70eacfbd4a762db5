"""Python's garbage collector, at rest while much is made that stays.

It looks through all that lives each time a quarter as much has been added: 1.6 of 9.4 CPU s that
it takes to load 50 datasets, and 0.6 of 3.5 to import Great Expectations.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Collect no garbage in the block; afterwards as before it. Blocks may lie in each other."""
    was_at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_at_work:
            gc.enable()
