"""The routes of durable tasks: listed, shown, waited for, followed, cancelled, run anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from dragoman.core.fault import FailedPrecondition, Fault, PermissionDenied, Started
from dragoman.ingress.http.asking import behind, delivery_id, fields, listing, next_page, task_id, waiting, wrong
from dragoman.ingress.http.documents import is_named, to_json
from dragoman.ingress.http.leaving import told_when_gone
from dragoman.ingress.http.results import NOT_ACCEPTABLE, Unacceptable, laid_out
from dragoman.ingress.http.task_events import EventStream
from dragoman.ingress.http.tasks import TASKS_PREFIX, Document, is_over

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from dragoman.core.call import Reply
    from dragoman.ingress.http.board import Board, Shown

JSON = "application/json"
LARGE_BYTES = 64 * 1024
"""A result from here on is written in another codec by a thread."""
NO_CONTENT, ACCEPTED, NOT_MODIFIED, METHOD_NOT_ALLOWED, CONFLICT = 204, 202, 304, 405, 409
PLAIN = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}
DELIVERIES = "deliveries"

Answer: TypeAlias = "Callable[[Request], Awaitable[Response]]"
Problem: TypeAlias = "Callable[[Request, Fault, int, dict[str, str] | None], Response]"


class TaskRoutes:
    """The answers. `problem(request, fault, status, headers)` writes the one of a fault."""

    def __init__(self, board: Board, problem: Problem) -> None:
        self._board = board
        self._tasks = board.tasks
        self._problem = problem

    def routes(self) -> list[Route]:
        """The routes, in the order in which they are to be tried."""
        one = TASKS_PREFIX + "{task}"
        paths: dict[str, dict[str, Answer]] = {
            TASKS_PREFIX.rstrip("/"): {"GET": self.list},
            TASKS_PREFIX + DELIVERIES: {"GET": self.undelivered},
            TASKS_PREFIX + DELIVERIES + "/{delivery}/retry": {"POST": self.redeliver},
            one: {"GET": self.show, "DELETE": self.cancel},
            one + "/result": {"GET": self.result},
            one + "/events": {"GET": self.events},
            one + "/logs": {"GET": self.logs},
            one + "/retry": {"POST": self.retry},
        }
        return [Route(path, _by_method(answers), methods=list(answers)) for path, answers in paths.items()]

    # Looking

    async def list(self, request: Request) -> Response:
        """A page of tasks."""
        wanted = listing(request.url.query)
        page = await self._tasks.find(wanted)
        headers: dict[str, str] = {}
        if page["next"] is not None:
            headers["link"] = f'<{request.url.path}?{next_page(wanted, page["next"])}>; rel="next"'
        return _json(page, headers=headers)

    async def show(self, request: Request) -> Response:
        """A task, when it is over or the time has passed for which the client waits."""
        seconds = waiting(request.url.query)
        shown = await self._shown(request, _id(request), seconds)
        headers = self._paced(shown) | {"etag": shown.etag}
        if is_named(shown.etag, request.headers.get("if-none-match", "")):
            return Response(status_code=NOT_MODIFIED, headers=PLAIN | headers)
        return Response(shown.body, headers=PLAIN | headers, media_type=JSON)

    async def result(self, request: Request) -> Response:
        """What a task gave, or the fault that it ended with; the task itself where it is not over."""
        id_, seconds = _id(request), waiting(request.url.query)
        shown = await self._shown(request, id_, seconds)
        if not shown.over:
            return self._unfinished(shown)
        reply = await self._tasks.result(id_)
        if reply is None:  # it has been run anew meanwhile
            return self._unfinished(await self._board.look(id_))
        return await self._replied(request, reply)

    async def logs(self, request: Request) -> Response:
        """The lines that a task has logged."""
        id_, after = _id(request), behind(request.url.query)
        return _json({"logs": await self._tasks.logs(id_, after=after)})

    async def events(self, request: Request) -> Response:
        """What becomes of a task, as server-sent events."""
        id_ = _id(request)
        last = request.headers.get("last-event-id", "")
        after = behind(request.url.query, last)
        if after:
            shown = await self._board.look(id_)
            if shown.over and after >= shown.task["seq"]:
                # All has been said: this keeps an `EventSource` from asking again (HTML §9.2.2).
                return Response(status_code=NO_CONTENT, headers=PLAIN)
        return EventStream(self._board, id_, after, lambda fault: self._problem(request, fault, 0, None))

    # Steering

    async def cancel(self, request: Request) -> Response:
        """Have a task never run, or be stopped: 202 while it is being stopped."""
        id_ = _id(request)
        fields(request.url.query, ())
        task = await self._tasks.cancel(id_)
        return _json(task, 200 if is_over(task) else ACCEPTED, {} if is_over(task) else self._pace(task))

    async def retry(self, request: Request) -> Response:
        """Have a task run anew that ended without a result."""
        id_ = _id(request)
        fields(request.url.query, ())
        try:
            task = await self._tasks.retry(id_)
        except FailedPrecondition as fault:
            return self._problem(request, fault, CONFLICT, None)
        return _json(task, ACCEPTED, self._pace(task) | {"location": TASKS_PREFIX + task["id"]})

    # Deliveries

    async def undelivered(self, request: Request) -> Response:
        """Messages about the ends of tasks that were given up."""
        states = fields(request.url.query, ("state",)).get("state", ["dead"])
        if states != ["dead"]:
            raise wrong("state", '"dead", since only those are listed', ",".join(states))
        return _json({"deliveries": await self._tasks.undelivered()})

    async def redeliver(self, request: Request) -> Response:
        """Have such a message tried again."""
        fields(request.url.query, ())
        id_ = delivery_id(str(request.path_params["delivery"]))
        await self._tasks.redeliver(id_)
        return _json({"id": id_}, ACCEPTED)

    # Within

    async def _shown(self, request: Request, id: str, seconds: float) -> Shown:  # noqa: A002 - the public word
        board = self._board
        shown = await board.look(id)
        if seconds and not shown.over:
            with board.watch(id) as watcher, told_when_gone(request.receive, watcher.stop):
                await watcher.over(seconds)
            shown = await board.look(id)
        return shown

    def _unfinished(self, shown: Shown) -> Response:
        headers = self._paced(shown) | {"etag": shown.etag}
        return Response(shown.body, ACCEPTED, PLAIN | headers, JSON)

    def _paced(self, shown: Shown) -> dict[str, str]:
        return {} if shown.over else self._pace(shown.task)

    def _pace(self, task: Document) -> dict[str, str]:
        return {"retry-after": str(self._board.pace_s(task))}

    async def _replied(self, request: Request, reply: Reply) -> Response:
        accept = ",".join(request.headers.getlist("accept")).encode("latin-1")
        try:
            if len(reply.body) < LARGE_BYTES:
                content_type, body = laid_out(reply, accept)
            else:
                content_type, body = await run_in_threadpool(laid_out, reply, accept)
        except Unacceptable as refusal:
            return self._problem(request, refusal.fault, NOT_ACCEPTABLE, None)
        return Response(body, headers=PLAIN | {"vary": "accept", "content-type": content_type.decode()})


def _by_method(answers: Mapping[str, Answer]) -> Answer:
    """One answer for all methods of a path; what changes anything is not taken from a page of another site."""

    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        if method != "GET" and request.headers.get("sec-fetch-site") == "cross-site":
            detail = "a page of another site may not change tasks here"
            raise PermissionDenied(detail, started=Started.NO)
        return await answers[method](request)

    return answer


def _id(request: Request) -> str:
    text = str(request.path_params["task"])
    if text == DELIVERIES:
        raise HTTPException(METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
    return task_id(text)


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(value), status, PLAIN | (headers or {}), JSON)
