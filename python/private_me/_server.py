"""A small HTTP/1.1 server for one application, where no other is wanted. It takes what its clients send, and refuses all else."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import MutableMapping
from typing import Any

from ._check import UNSET, Unset, check_callable, check_is, check_str, whole
from ._journal import logger
from ._serve import Scope, serve_agents

_HEAD = 16 << 10
_HEAD_TIME = 10
_BODY_TIME = 30
_IDLE_TIME = 60
_CONNECTIONS = 1024
_PIECE = 64 << 10
_LINE = re.compile(rb"(GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH) (/[!-~]*) HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 411: "Length Required", 413: "Content Too Large", 415: "Unsupported Media Type"}  # fmt: skip


class Listening:
    """A server that listens: `async with listen(app, port=8080) as server: …`. Its `url` says where."""

    def __init__(self, app: serve_agents, host: str, port: int, tls: ssl.SSLContext | Unset) -> None:
        check_callable(app, "app")
        if not isinstance(tls, Unset):
            check_is(tls, ssl.SSLContext, "tls, which is to be left out where there is none,")
        self._app = app
        self._where = (check_str(host, "host"), whole(port, 0, "port", 0, 65_535))
        self._tls = None if isinstance(tls, Unset) else tls
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._is_closed = False

    @property
    def port(self) -> int:
        """The port at which it listens."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("it does not listen: enter its `async with` first")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        host = self._where[0]
        return f"http{'s' if self._tls else ''}://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def __aenter__(self) -> Listening:
        self._server = await asyncio.start_server(self._connected, *self._where, ssl=self._tls, limit=_HEAD)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def serve_forever(self) -> None:
        """Listens until it is cancelled."""
        async with self:
            assert self._server is not None
            await self._server.serve_forever()

    async def close(self) -> None:
        """Ends all connections."""
        if self._server is None:
            return
        self._is_closed = True
        await self._accept_no_more(self._server)
        self._server.close()
        for writer in self._connections.values():
            writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept_no_more(self, server: asyncio.Server) -> None:
        """A connection that asyncio has accepted and not yet made known, when its server is closed, is never closed."""
        with contextlib.suppress(NotImplementedError, RuntimeError):  # by event loops that accept in other ways
            for each in server.sockets:
                asyncio.get_running_loop().remove_reader(each.fileno())
            await asyncio.sleep(0)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # One may have been on its way in while the server was closed.
        if self._is_closed or len(self._connections) >= _CONNECTIONS:
            return writer.transport.abort()
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(reader, writer)
        try:
            while await connection.head():
                await self._app(connection.scope, connection.receive, connection.send)
                if not connection.goes_on:
                    return
        except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked has gone, or will not say what he wants
        except Exception as error:  # as after a request that was cut off
            logger.debug("a connection ended: %r", error)
        finally:
            writer.close() if connection.goes_on else writer.transport.abort()
            try:
                await asyncio.wait_for(writer.wait_closed(), _BODY_TIME)
            except (OSError, asyncio.TimeoutError):
                writer.transport.abort()


class _Connection:
    """One request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._left = 0
        self._told_end = False
        self._is_chunked = False
        self._done = asyncio.Event()
        self.goes_on = True
        self.scope: Scope = {}

    async def head(self) -> bool:
        """Reads a head. False if none comes, or none that is understood."""
        first = await asyncio.wait_for(self._reader.readexactly(1), _IDLE_TIME)
        rest = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), _HEAD_TIME)
        line, *fields = (first + rest)[:-4].split(b"\r\n")
        asked, found = _LINE.fullmatch(line), [_FIELD.fullmatch(field) for field in fields]
        headers = [(each[1].lower(), each[2]) for each in found if each is not None]
        lengths = [value for name, value in headers if name == b"content-length"]
        if asked is None or len(headers) != len(fields) or [name for name, _ in headers].count(b"host") != 1:
            return await self._refuse(400)
        if any(name == b"transfer-encoding" for name, _ in headers):
            return await self._refuse(411)
        if len(lengths) > 1 or not all(re.fullmatch(rb"[0-9]{1,15}", each) for each in lengths):
            return await self._refuse(400)
        self._left = int(lengths[0]) if lengths else 0
        self._told_end, self._is_chunked, self._done = False, False, asyncio.Event()
        self.goes_on = False
        path, _, query = asked[2].partition(b"?")
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": asked[1].decode(), "scheme": "http",
            "path": path.decode(), "raw_path": path, "query_string": query, "headers": headers,
        }  # fmt: skip
        return True

    async def receive(self) -> MutableMapping[str, Any]:
        if self._left > 0:
            piece = await asyncio.wait_for(self._reader.read(min(self._left, _PIECE)), _BODY_TIME)
            self._left -= len(piece)
            if not piece:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": self._left > 0}
        if not self._told_end:
            self._told_end = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # Clients send nothing more until the response has come; what ends is their connection.
        gone = asyncio.ensure_future(self._gone())
        done = asyncio.ensure_future(self._done.wait())
        try:
            await asyncio.wait([gone, done], return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            done.cancel()
        return {"type": "http.disconnect"}

    async def _gone(self) -> None:
        while not self._reader.at_eof():
            await asyncio.sleep(0.2)

    async def send(self, message: MutableMapping[str, Any]) -> None:
        write = self._writer.write
        if message["type"] == "http.response.start":
            status: int = message["status"]
            names = [name for name, _ in message["headers"]]
            self._is_chunked = b"content-length" not in names
            head = [f"HTTP/1.1 {status} {_REASONS.get(status, '')}".encode()]
            head += [name + b": " + value for name, value in message["headers"]]
            head += [b"transfer-encoding: chunked"] if self._is_chunked else []
            write(b"\r\n".join(head) + b"\r\n\r\n")
        else:
            body: bytes = message["body"]
            if body:
                write(b"%x\r\n%b\r\n" % (len(body), body) if self._is_chunked else body)
            if not message["more_body"]:
                write(b"0\r\n\r\n" if self._is_chunked else b"")
                # What was not read of a request would be read as the next one.
                self.goes_on = self._left == 0
                self._done.set()
        await self._writer.drain()

    async def _refuse(self, status: int) -> bool:
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        self.goes_on = False
        return False


def listen(app: serve_agents, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | Unset = UNSET) -> Listening:
    """Listens for what `serve_agents` mounts: `async with listen(serve_agents([agent]), port=8080) as server: …`."""
    return Listening(app, host, port, tls)
