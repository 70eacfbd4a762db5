"""Importing a library without the modules that it imports and we never use.

Great Expectations takes 3.6 CPU s to import, 1.8 of them for the statistics of scipy, for altair,
and for Spark and clients of clouds where these happen to be installed.
"""

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from er_pipeline.blocking.tables.collector import collector_at_rest


class LaterModule(ModuleType):
    """Stands for a module, and imports it when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        """Return what the module itself has under a name.

        Raises AttributeError for dunder names: the import machinery asks for them.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def lean_imports(*, without: Iterable[str] = (), later: Iterable[str] = ()) -> Iterator[None]:
    """Import, in the block, as if some modules were not installed, and others when first used.

    without: modules that the library can do without. later: those that it cannot, but imports for
    parts that are rarely called. Modules that are loaded already stay as they are, and after the
    block every import is as ever.
    """
    put: dict[str, ModuleType | None] = {name: None for name in without if name not in sys.modules}
    put |= {name: LaterModule(name) for name in later if name not in sys.modules}
    modules: dict[str, Any] = sys.modules
    modules.update(put)
    try:
        with collector_at_rest():
            yield
    finally:
        for name, stand_in in put.items():
            if name in modules and modules[name] is stand_in:
                del modules[name]
