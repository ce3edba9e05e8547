"""What there is at a path: Starlette tells of the first route that it finds only."""

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
        self._found = [(compile_path(path)[0], path, each) for path, each in found.items()]

    def at(self, path: str) -> str:
        """The header `Allow` for this path."""
        return ", ".join(
            sorted({each for at, _, methods in self._found if at.match(path) for each in methods})
        )

    def template(self, method: str, path: str) -> str:
        """The path without what it is about, `/studies/{study_uid}` say; empty for no route's."""
        fitting = [(known, methods) for at, known, methods in self._found if at.match(path)]
        of_method = [known for known, methods in fitting if method in methods]
        return next(iter([*of_method, *(known for known, _ in fitting)]), "")
