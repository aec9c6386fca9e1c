"""Everything that is not a call: listings, the OpenAPI and AsyncAPI documents, the page for people, metrics and health.

A Starlette application; calls never reach it. What may take longer than a moment runs in a thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from dragoman.core.clock import SystemClock
from dragoman.core.fault import Fault, NotFound, Started, Unimplemented
from dragoman.core.moment import rfc3339
from dragoman.ingress.http.documents import Document, Documents, to_json
from dragoman.ingress.http.page import Page
from dragoman.ingress.http.problem import MEDIA_TYPE, render, retry_after, status_of
from dragoman.ingress.http.task_routes import TaskRoutes

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

    from dragoman.core.clock import Clock
    from dragoman.ingress.http.board import Board
    from dragoman.ingress.http.catalogue import Catalogue, Exposition, Health

JSON = "application/json"
UNAVAILABLE = 503
METHOD_NOT_ALLOWED = 405
SHOWN_CHARS_MAX = 256
"""As much of a path is repeated in a problem."""

_PLAIN_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}


def build(
    catalogue: Catalogue,
    metrics: Exposition,
    health: Health,
    board: Board | None = None,
    clock: Clock | None = None,
) -> ASGIApp:
    """Make the application that answers everything but calls; without a board there are no tasks."""
    return _Pages(catalogue, metrics, health, board, clock or SystemClock()).application()


class _Pages:
    """The answers, with what they are made from."""

    def __init__(
        self, catalogue: Catalogue, metrics: Exposition, health: Health, board: Board | None, clock: Clock
    ) -> None:
        self._catalogue = catalogue
        self._documents = Documents(catalogue, tasks=board is not None)
        self._board = board
        self._page = Page.load()
        self._metrics = metrics
        self._health = health
        self._clock = clock

    def application(self) -> Starlette:
        answers = {
            "/v1/functions": self.functions,
            "/v1/functions/{function}": self.function,
            "/openapi.json": self.openapi,
            "/asyncapi.json": self.asyncapi,
            "/docs": self.docs,
            "/metrics": self.metrics,
            "/health/live": self.live,
            "/health/ready": self.ready,
        }
        routes = [Route(path, answer, methods=["GET"]) for path, answer in answers.items()]
        routes += TaskRoutes(self._board, self.problem).routes() if self._board is not None else []
        application = Starlette(
            routes=routes,
            exception_handlers={HTTPException: self.refused, Fault: self.faulted, Exception: self.failed},
        )
        # Else a path with a slash too many is redirected to whatever host its own header names.
        application.router.redirect_slashes = False
        return application

    async def functions(self, request: Request) -> Response:
        return _answer(request, await run_in_threadpool(self._documents.functions))

    async def openapi(self, request: Request) -> Response:
        return _answer(request, await run_in_threadpool(self._documents.openapi))

    async def asyncapi(self, request: Request) -> Response:
        return _answer(request, await run_in_threadpool(self._documents.asyncapi))

    async def function(self, request: Request) -> Response:
        name = str(request.path_params["function"])
        document = self._documents.function(name)
        if document is None:
            detail = f"there is no function {name[:SHOWN_CHARS_MAX]!r}; GET /v1/functions lists those that there are"
            return self.problem(request, NotFound(detail))
        return _answer(request, document)

    async def docs(self, request: Request) -> Response:
        headers = {"content-security-policy": self._page.policy, "referrer-policy": "no-referrer"}
        return _answer(request, self._page.document, "text/html; charset=utf-8", headers)

    async def metrics(self, request: Request) -> Response:
        await self._metrics.gather()
        body, content_type = await run_in_threadpool(self._metrics.exposition, request.headers.get("accept", ""))
        return Response(body, headers=_PLAIN_HEADERS | {"content-type": content_type})

    async def live(self, _: Request) -> Response:
        return Response(b'{"live":true}', media_type=JSON, headers=_PLAIN_HEADERS)

    async def ready(self, _: Request) -> Response:
        ready, reasons = self._health.ready()
        body = to_json({"ready": ready, "reasons": dict(reasons)})
        return Response(body, 200 if ready else UNAVAILABLE, media_type=JSON, headers=_PLAIN_HEADERS)

    async def refused(self, request: Request, error: Exception) -> Response:
        """Answer what the router turns away: an unknown path, or a method that a path does not take."""
        assert isinstance(error, HTTPException)
        path = request.url.path[:SHOWN_CHARS_MAX]
        headers = dict(error.headers or {})
        if error.status_code == METHOD_NOT_ALLOWED:
            allow = headers.get("Allow", "GET, HEAD")
            fault: Fault = Unimplemented(f"{path} does not take {request.method[:20]}; it takes {allow}")
        else:
            fault = NotFound(f"there is nothing at {path}; /docs shows the functions, /openapi.json every path")
        return self.problem(request, fault, error.status_code, headers)

    async def faulted(self, request: Request, error: Exception) -> Response:
        """Answer what a task could not do, or could not be asked."""
        assert isinstance(error, Fault)
        return self.problem(request, error)

    async def failed(self, request: Request, error: Exception) -> Response:
        """Answer an error of our own; the server logs its traceback."""
        detail = f"the host failed to answer ({type(error).__name__}); its log has the traceback"
        fault = Fault.internal(detail)
        fault.started = Started.NO
        return self.problem(request, fault)

    def problem(
        self, request: Request, fault: Fault, status: int = 0, headers: dict[str, str] | None = None
    ) -> Response:
        """The answer of a fault. It says when to try again where the fault does: how a task ended stays as it is."""
        fault.service = self._catalogue.service
        again = {"retry-after": retry_after(fault)} if fault.retry_after_s is not None else {}
        status = status or status_of(fault.code)
        body = render(
            fault,
            status=status,
            instance=request.scope["raw_path"].decode("latin-1"),
            timestamp=rfc3339(self._clock.now()),
        )
        return Response(body, status, _PLAIN_HEADERS | again | (headers or {}), MEDIA_TYPE)


def _answer(
    request: Request, document: Document, media_type: str = JSON, headers: dict[str, str] | None = None
) -> Response:
    named = _PLAIN_HEADERS | {"etag": document.etag} | (headers or {})
    if document.known(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=named)
    return Response(document.body, headers=named, media_type=media_type)
