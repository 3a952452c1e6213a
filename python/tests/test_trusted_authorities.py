"""Whose tokens count while an authority changes its key; the same promises as __test__/rights-authorities.spec.ts."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from private_me import Agent, Identity, Located, MessageBus, TokenVerifier, XBindError, issue_token

CLI = Path(__file__).parents[2] / "dist" / "cli.cjs"
AUDIENCE = "https://api.example"


class Running:
    """An authority in a process of its own."""

    def __init__(self, folder: str) -> None:
        self.data = Path(folder) / "dev" / "authority"
        command = ["node", str(CLI), "dev", "--json", "--quiet", "--dir", str(self.data.parent)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.at = Located(told["did"], told["url"])

    def step(self, name: str, *args: str) -> None:
        command = ["node", str(CLI), "authority", name, *args, "--data", str(self.data), "--json"]
        subprocess.run(command, capture_output=True, check=True, timeout=60)

    def key(self, name: str = "authority.key") -> Identity:
        return Identity.from_pkcs8((self.data / name).read_text())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def authority() -> Iterator[Running]:
    if not shutil.which("node") or not CLI.exists():
        pytest.skip("the package for Node.js is not built here")
    with tempfile.TemporaryDirectory(prefix="xbind-authority-") as folder:
        running = Running(folder)
        yield running
        running.end()


def token(by: Identity, subject: str, audience: str = AUDIENCE) -> str:
    return issue_token(by, subject=subject, audience=audience, scopes=["read"])


async def test_it_is_followed_from_key_to_key(authority: Running) -> None:
    at, someone = int(time.time()), Identity.generate().did
    verifier = TokenVerifier(AUDIENCE, trust=[authority.at], now=lambda: at)
    first = token(authority.key(), someone)
    with pytest.raises(XBindError, match="is not trusted") as unasked:
        verifier.verify(first)
    assert unasked.value.code == "UNTRUSTED_ISSUER"
    assert unasked.value.hint is not None and "verify_async()" in unasked.value.hint
    assert (await verifier.verify_async(first)).issuer == authority.at.did
    assert verifier.verify(first).issuer == authority.at.did

    authority.step("rotate-key")
    second = token(authority.key("authority.1.key"), someone)
    with pytest.raises(XBindError, match="is not trusted"):
        await verifier.verify_async(second)  # it was asked this very second
    at += 5
    assert (await verifier.verify_async(second)).issuer != authority.at.did
    assert verifier.verify(first).issuer == authority.at.did

    authority.step("taint-key", authority.at.did)
    at += 5
    for strange in (token(Identity.generate(), someone), first):
        with pytest.raises(XBindError, match="is not trusted"):
            await verifier.verify_async(strange)
    assert (await verifier.verify_async(second)).scopes == ("read",)

    authority.end()
    at += 300
    with pytest.raises(XBindError, match="did not say whether it has that DID") as away:
        await verifier.verify_async(second)
    assert (away.value.code, away.value.retryable) == ("UNTRUSTED_ISSUER", True)


async def test_a_handler_follows_too(authority: Running) -> None:
    bus = MessageBus()
    async with Agent("caller", bus=bus) as caller, Agent("guarded", bus=bus) as guarded:
        guarded.handle(lambda call: call.scopes[0], trust=[authority.at], scopes=["read"])
        good = token(authority.key(), caller.did, guarded.did)
        assert await caller.call("guarded", 1, token=good) == "read"
        with pytest.raises(XBindError) as refused:
            await caller.call("guarded", 1, token=token(Identity.generate(), caller.did, guarded.did))
        assert refused.value.code == "UNTRUSTED_ISSUER"


def test_options_that_are_none() -> None:
    did = Identity.generate().did
    wrong: list[Any] = [Located(did, "http://authority.example"), Located(did, ""), Located("x", "https://authority.example")]
    for each in wrong:
        with pytest.raises(XBindError):
            TokenVerifier(AUDIENCE, trust=[each])
    nothing: Any = None
    for each in (Located(did, nothing), Located(nothing, "https://authority.example"), (did, "https://authority.example")):
        with pytest.raises(TypeError):
            TokenVerifier(AUDIENCE, trust=[each])  # type: ignore[list-item]
