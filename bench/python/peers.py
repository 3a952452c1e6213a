"""What is compared: two parties in one event loop, a queue between them, each message signed and verified by hand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Peer(Protocol):
    """Who answers calls."""

    async def call(self, payload: Any) -> Any: ...

    async def close(self) -> None: ...


class Ours:
    """Agents of this package."""

    @classmethod
    async def make(cls) -> Ours:
        from private_me import Agent, MessageBus

        own = cls()
        bus = MessageBus()
        own.asker, own.teller = Agent(bus=bus), Agent(bus=bus, handler=lambda call: call.payload)
        return own

    async def call(self, payload: Any) -> Any:
        return await self.asker.call(self.teller.did, payload)

    async def close(self) -> None:
        await self.asker.close()
        await self.teller.close()


Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], None]


class ByHand:
    """A JWS of each message, its body's digest in it; what was seen is kept until it has expired."""

    def __init__(self, keys: tuple[tuple[Sign, Verify], tuple[Sign, Verify]]) -> None:
        self._keys = keys
        self._queues: tuple[asyncio.Queue[Any], asyncio.Queue[Any]] = (asyncio.Queue(), asyncio.Queue())
        self._seen: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._pending: dict[str, asyncio.Future[Any]] = {}
        self._tasks = [asyncio.create_task(each) for each in (self._answer(), self._settle())]

    async def call(self, payload: Any) -> Any:
        jws, body, id = self._seal(0, payload, None)
        future = self._pending[id] = asyncio.get_running_loop().create_future()
        self._queues[0].put_nowait((jws, body))
        return await asyncio.wait_for(future, 30)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self) -> None:
        while True:
            claims, payload = self._open(1, *await self._queues[0].get())
            jws, body, _ = self._seal(1, payload, claims["jti"])
            self._queues[1].put_nowait((jws, body))

    async def _settle(self) -> None:
        while True:
            claims, payload = self._open(0, *await self._queues[1].get())
            self._pending.pop(claims["irt"]).set_result(payload)

    def _seal(self, who: int, payload: Any, about: str | None) -> tuple[str, bytes, str]:
        body = json.dumps(payload, allow_nan=False).encode()
        now, id = int(time.time()), _b64(os.urandom(16))
        claims = {"iss": who, "aud": 1 - who, "jti": id, "iat": now, "exp": now + 30, "irt": about, "pd": _digest(body)}
        text = f"{_HEADER}.{_b64(json.dumps(claims).encode())}"
        return f"{text}.{_b64(self._keys[who][0](text.encode()))}", body, id

    def _open(self, who: int, jws: str, body: bytes) -> tuple[dict[str, Any], Any]:
        text, _, signature = jws.rpartition(".")
        self._keys[1 - who][1](text.encode(), _bytes(signature))
        claims = json.loads(_bytes(text.split(".")[1]))
        now = time.time()
        if claims["aud"] != who or claims["exp"] < now or claims["jti"] in self._seen[who] or claims["pd"] != _digest(body):
            raise ValueError("refused")
        self._seen[who][claims["jti"]] = claims["exp"]
        return claims, json.loads(body)


class Unsigned:
    """The same way without any signature: JSON and two queues."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[bytes, asyncio.Future[bytes]]] = asyncio.Queue()
        self._task = asyncio.create_task(self._answer())

    async def call(self, payload: Any) -> Any:
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((json.dumps(payload).encode(), future))
        return json.loads(await future)

    async def close(self) -> None:
        self._task.cancel()

    async def _answer(self) -> None:
        while True:
            body, future = await self._queue.get()
            future.set_result(json.dumps(json.loads(body)).encode())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _digest(body: bytes) -> str:
    return _b64(hashlib.sha256(body).digest())


_HEADER = _b64(b'{"alg":"EdDSA"}')


async def _pynacl() -> Peer:
    from nacl.signing import SigningKey

    def key() -> tuple[Sign, Verify]:
        own = SigningKey.generate()
        return lambda data: own.sign(data).signature, lambda data, signature: (own.verify_key.verify(data, signature), None)[1]

    return ByHand((key(), key()))


async def _cryptography() -> Peer:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    def key() -> tuple[Sign, Verify]:
        own = Ed25519PrivateKey.generate()
        public = own.public_key()
        return own.sign, lambda data, signature: public.verify(signature, data)

    return ByHand((key(), key()))


async def _unsigned() -> Peer:
    return Unsigned()


PEERS: dict[str, tuple[str | None, Callable[[], Awaitable[Peer]]]] = {
    "private_me": (None, Ours.make),
    "PyNaCl by hand": ("nacl", _pynacl),
    "cryptography by hand": ("cryptography", _cryptography),
    "unsigned": (None, _unsigned),
}
