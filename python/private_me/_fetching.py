"""Documents from addresses: by the client of the native side, whose rules and bounds are there, or by one of the user's own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import errno
import inspect
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Literal, NamedTuple, TypeAlias

from . import _native
from ._check import name_of
from ._waiting import wait_for


class FetchLimits(NamedTuple):
    """The bounds of one request."""

    max_bytes: int
    """The longest answer that is taken."""
    timeout: float
    """From the question to the last byte of the answer, in seconds."""
    accept: str
    """Media types to ask for."""
    named: Literal["owner", "listed", "stranger"]
    """Who named the address: you (`owner`), a token within an origin that you named (`listed`), or a token alone (`stranger`). For
    strangers only the public network may be asked."""


FetchDocument: TypeAlias = "Callable[[str, FetchLimits], Awaitable[bytes | str]]"
"""A client of your own, as behind a proxy: gets a document, and raises for anything but a complete answer with status 200. It has to
keep the rules that the built-in one keeps: no redirects, and for strangers no addresses of your own network. The URL was judged by
its text; size and time are checked again behind it."""

JWKS = FetchLimits(64 << 10, 5, "application/jwk-set+json, application/json", "owner")
STATUS_LIST = FetchLimits(2 << 20, 5, "application/statuslist+jwt", "stranger")


Work: TypeAlias = "Callable[[], Coroutine[Any, Any, str | None]]"
Ended: TypeAlias = "Callable[[str | None], None]"


class FetchError(Exception):
    """Why a document was not fetched, in a few words that hold nothing secret."""


async def fetch_public(url: str, limits: FetchLimits) -> bytes:
    """The built-in client."""
    rules = {
        "named": limits.named,
        "maxBytes": limits.max_bytes,
        "timeoutMs": int(limits.timeout * 1000),
        "accept": limits.accept,
    }
    document, why = await wait_for(_native.fetch(url, json.dumps(rules)))
    if document is None:
        raise FetchError(why)
    body: bytes = document
    return body


def is_fetchable(url: str) -> bool:
    """Whether a text is an address that its user may name: https without credentials, or http on this machine."""
    return _native.refuse_url(url, "owner") is None


async def obtain(fetch: FetchDocument, url: str, limits: FetchLimits) -> str:
    """A document by any client, within its limits whatever that client does."""
    refused = _native.refuse_url(url, limits.named)
    if refused is not None:
        raise FetchError(refused)
    try:
        answer: Any = await asyncio.wait_for(_asked(fetch, url, limits), limits.timeout)
    except asyncio.TimeoutError:
        raise FetchError(f"no answer within {limits.timeout:g} s") from None
    try:
        body = str.__str__(answer).encode() if isinstance(answer, str) else _bytes(answer)
        if len(body) > limits.max_bytes:
            raise FetchError(f"the answer is longer than {limits.max_bytes} bytes")
        return body.decode()
    except UnicodeError:
        raise FetchError("the answer is not UTF-8") from None


async def _asked(fetch: FetchDocument, url: str, limits: FetchLimits) -> Any:
    answer: Any = fetch(url, limits)
    return await answer if inspect.isawaitable(answer) else answer


def _bytes(answer: Any) -> bytes:
    if not isinstance(answer, (bytes, bytearray, memoryview)):
        raise FetchError(f"the client gave no bytes, but {name_of(answer)}")
    return bytes(answer)  # pyright: ignore[reportUnknownArgumentType]


def reason_of(error: BaseException) -> str:
    """Why something did not come, without anything secret: a message may name proxies and their passwords."""
    if isinstance(error, FetchError):
        return str(error)
    number = error.errno if isinstance(error, OSError) else None
    return errno.errorcode.get(number or 0, "the request failed")


_PATIENCE = 10
"""How long anybody waits for what another event loop is to fetch, in seconds: it may never go on."""


class Shared:
    """What is done once at a time for all who wait for it, in whichever thread they are. None of them ends it by giving up."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running: dict[Hashable, _Running] = {}

    async def do(self, key: Hashable, work: Work, ended: Ended) -> str | None:
        """Begins it, unless it runs, and waits for it. `ended` is told once what came of it, in any case."""
        with self._lock:
            running = self._running.get(key)
            begins = running is None or running.is_over
            if running is None or begins:
                running = self._running[key] = _Running(self._lock, lambda came: self._end(key, ended, came))
        if begins:
            running.begin(work)
        return await running.came()

    def _end(self, key: Hashable, ended: Ended, came: str | None) -> None:
        self._running.pop(key, None)
        ended(came)

    async def join(self, key: Hashable) -> str | None:
        """Waits for what runs; nothing if nothing does."""
        with self._lock:
            running = self._running.get(key)
        return None if running is None else await running.came()


class _Running:
    def __init__(self, lock: threading.RLock, ended: Ended) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: concurrent.futures.Future[str | None] = concurrent.futures.Future()
        self._lock = lock
        self._ended = ended
        self._task: asyncio.Task[str | None] | None = None

    @property
    def is_over(self) -> bool:
        if self._loop.is_closed():
            self._settle("the request was given up")
        return self._future.done()

    def begin(self, work: Work) -> None:
        def done(task: asyncio.Task[str | None]) -> None:
            self._settle("the request was given up" if task.cancelled() else task.result())

        self._task = self._loop.create_task(work())
        self._task.add_done_callback(done)

    async def came(self) -> str | None:
        if not self.is_over:
            try:
                return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._future)), _PATIENCE)
            except asyncio.TimeoutError:
                self._settle("the request was given up")
        return self._future.result()

    def _settle(self, came: str | None) -> None:
        with self._lock:
            if self._future.done():
                return
            self._ended(came)
            self._future.set_result(came)
