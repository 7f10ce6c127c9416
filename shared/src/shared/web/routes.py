"""What an address is called in logs and metrics: its route's pattern, which holds nothing that somebody typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Mount

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from starlette.routing import BaseRoute
    from starlette.types import Scope

#: An address that no route has: as it is, it could be anything.
UNKNOWN = "-"


def route_template(scope: Scope) -> str:
    """The pattern of the route that answers a request, such as ``/children/{id}``; ``-`` where there is none.

    The same before and after the request was routed. An address that is known by another method only has its pattern
    too. Starlette leaves the route in the scope, but a mounted one without its mount and FastAPI's without its prefix.
    """
    of_other_method = UNKNOWN
    for template, methods in _routes_of(scope):
        if not methods or scope["method"] in methods:
            return template
        if of_other_method == UNKNOWN:
            of_other_method = template
    return of_other_method


def allowed_methods(scope: Scope) -> list[str]:
    """Every method that the address of a request knows: what Allow says (RFC 9110, section 10.2.1)."""
    return sorted({method for _, methods in _routes_of(scope) for method in methods or ()})


def _routes_of(scope: Scope) -> Iterator[tuple[str, Collection[str] | None]]:
    """The patterns that fit the address of a request, with their methods."""
    router = scope.get("router") or getattr(scope.get("app"), "router", None)
    path = scope["path"].removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
    yield from _matching(getattr(router, "routes", ()), path)


def _matching(routes: Iterable[BaseRoute], path: str) -> Iterator[tuple[str, Collection[str] | None]]:
    """The patterns that fit the path, in the order in which they are asked, with their methods."""
    for route in _flat(routes):
        match = route.path_regex.match(path)
        if match is None:
            continue
        if not (isinstance(route, Mount) and route.routes):
            yield route.path_format, getattr(route, "methods", None)
            continue
        prefix = route.path_format.removesuffix("/{path}")
        inner = [
            (prefix + template, methods)
            for template, methods in _matching(route.routes, "/" + match["path"])
            if template != UNKNOWN
        ]
        # What a mount takes goes to no route after it.
        yield from inner or [(UNKNOWN, None)]


def _flat(routes: Iterable[BaseRoute]) -> Iterator[Any]:
    """The routes, and instead of a router that FastAPI included the routes in it, with their prefixes."""
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield route
        else:
            yield from (getattr(context, "starlette_route", None) or context for context in included())
