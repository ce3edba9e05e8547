"""Which methods there are at a path: Starlette tells those of the first route that it finds."""

from collections import defaultdict

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path


class Methods:
    """The methods of an application's routes."""

    def __init__(self, app: FastAPI) -> None:
        found: dict[str, set[str]] = defaultdict(set)
        for route in iter_route_contexts(app.routes):
            if route.path is not None and route.methods:
                found[route.path] |= route.methods
        self._found = [(compile_path(path)[0], methods) for path, methods in found.items()]

    def at(self, path: str) -> str:
        """The header `Allow` for this path."""
        return ", ".join(
            sorted({each for at, methods in self._found if at.match(path) for each in methods})
        )
