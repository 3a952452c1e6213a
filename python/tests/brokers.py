"""A nats-server for tests."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from private_me import XBindError

ROOT = Path(__file__).parents[2]


def nats_server() -> str:
    """Where one is, as scripts/nats-server.mjs finds it; else the test is skipped."""
    asked = os.environ.get("NATS_SERVER") or shutil.which("nats-server")
    if asked:
        return asked
    script = ROOT / "scripts" / "nats-server.mjs"
    if shutil.which("node") and script.exists():
        found = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=120)
        if found.returncode == 0:
            return found.stdout.strip()
    pytest.skip("there is no nats-server here")


class Broker:
    """One, on a port of its own."""

    def __init__(self, config: str | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="xbind-nats-")
        folder = Path(self._folder.name)
        arguments = ["--addr", "127.0.0.1", "--port", "-1", "--jetstream", "--store_dir", str(folder / "store")]
        if config is not None:
            (folder / "nats-server.conf").write_text(config)
            arguments += ["--config", str(folder / "nats-server.conf")]
        command = [nats_server(), *arguments, "--ports_file_dir", str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while True:
            try:
                [ports] = folder.glob("*.ports")
                self.url: str = json.loads(ports.read_text())["nats"][0]
                return
            except ValueError:  # not there, or not whole
                assert self._process.poll() is None and time.monotonic() < until
                time.sleep(0.02)

    def pause(self) -> None:
        """It answers nobody until it goes on."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


class Member:
    """A process with an agent on a bus, in Node.js or in Python, and what it says of itself."""

    def __init__(self, command: list[str], told: Callable[[str], Any] = json.loads) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1)
        self._told = told
        self.did: str = self.line()["did"]

    def line(self) -> Any:
        """What it says next."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, "the process ended"
        return self._told(text)

    def say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word)
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait()


def node_member(url: str, namespace: str, name: str = "writer") -> Member:
    """The one of the JavaScript tests."""
    if not shutil.which("node") or not (ROOT / "dist" / "nats.mjs").exists():
        pytest.skip("the package for Node.js is not built here")
    script = ROOT / "__test__" / "helpers" / "nats-agents.mjs"
    return Member(["node", str(script), url, name, "", namespace])


def python_member(url: str, namespace: str, name: str = "writer") -> Member:
    """The same in Python."""
    return Member([sys.executable, str(Path(__file__).with_name("nats_agents.py")), url, name, namespace])


KINDS: dict[str, Callable[..., Member]] = {"Node.js": node_member, "Python": python_member}


async def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def code_of(asked) -> str:
    try:
        await asked
    except XBindError as error:
        return error.code
    return "ok"
