"""How an event loop hears that the native side has something to do."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable

from . import _native


class Ear:
    """Tells an event loop when it is woken: by the socket, or, where it reads no sockets of others (Proactor), by a thread."""

    def __init__(self, wake: _native.Wake, loop: asyncio.AbstractEventLoop, woken: Callable[[], None]) -> None:
        self._wake = wake
        self._loop = loop
        self._woken = woken
        self._over = False
        self._thread: threading.Thread | None = None
        try:
            loop.add_reader(wake.fileno(), self._read)
        except NotImplementedError:
            self._thread = threading.Thread(target=self._run, name="private_me", daemon=True)
            self._thread.start()
            atexit.register(self.stop)

    def stop(self) -> None:
        """Hears no more."""
        if self._thread is not None:
            atexit.unregister(self.stop)
            self._over = True
            self._wake.ring()
            self._thread.join()
            self._thread = None
        elif not self._loop.is_closed():
            self._loop.remove_reader(self._wake.fileno())

    def _read(self) -> None:
        self._wake.drain()
        self._woken()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if self._over:
                return
            try:
                self._loop.call_soon_threadsafe(self._woken)
            except RuntimeError:
                return  # the loop was closed
