"""Imports of a reward function's local modules: what was read and hashed is what runs.

Not here: finding and reading them (`training.settings.rewards.local_modules`).
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source, spec_from_file_location
from types import ModuleType
from typing import Any

from training.settings.rewards.local_modules import LocalModule


class LocalImports(MetaPathFinder, InspectLoader):
    """Imports the modules of one reward function, while its code runs and for no other code."""

    def __init__(self, modules: Mapping[str, LocalModule]) -> None:
        """Store the modules by name."""
        self._modules = modules
        self._loaded: dict[str, ModuleType] = {}

    @contextmanager
    def importable(self) -> Iterator[None]:
        """Make the modules importable; other modules of the same names stay what they were."""
        others = self._take()
        sys.modules.update(self._loaded)
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            self._loaded = self._take()
            sys.modules.update(others)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of one of the modules."""
        module = self._modules.get(fullname)
        if module is None:
            return None
        below = [str(module.file.parent)] if module.is_package else None
        return spec_from_file_location(
            fullname, module.file, loader=self, submodule_search_locations=below
        )

    def get_source(self, fullname: str) -> str:
        """Return the text that was read."""
        return decode_source(self._modules[fullname].content)

    def get_code(self, fullname: str) -> Any:
        """Return the compiled text, whose file is named in errors."""
        return compile(self.get_source(fullname), str(self._modules[fullname].file), "exec")

    def is_package(self, fullname: str) -> bool:
        """Return whether a module may have modules below it."""
        return self._modules[fullname].is_package

    def _take(self) -> dict[str, ModuleType]:
        """Remove the loaded modules of these names, and return them."""
        return {name: sys.modules.pop(name) for name in self._modules if name in sys.modules}
