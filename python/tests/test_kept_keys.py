"""Agents whose key is in a security module, or at a server that signs as Vault's transit engine does."""

import asyncio
import base64
import http.server
import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from fetched import code_of, sign

from private_me import Agent, Identity, KeptKey, MessageBus, XBindError, autogen_xbind, pkcs11, vault

TOKEN, PIN = "hvs.token-of-the-agent", "pin-7735"
FIRST, SECOND = Identity(), Identity()


async def calls_and_is_called(kept: KeptKey) -> str:
    """An agent with that key calls another one, and is called."""
    bus = MessageBus()
    async with Agent("kept", identity=kept, bus=bus) as agent, Agent("plain", bus=bus) as plain:
        agent.handle(lambda call: [call.payload, "kept"])
        plain.handle(lambda call: call.sender)
        assert await plain.call("kept", 1) == [1, "kept"]
        assert set(await asyncio.gather(*(agent.call("plain", n) for n in range(50)))) == {agent.did}
        assert (await plain.describe("kept")).did == agent.did
    assert kept.get_did() == agent.did
    return agent.did


class Transit(http.server.ThreadingHTTPServer):
    """A server with the keys of both, as versions of one."""

    accepted = TOKEN
    broken = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Requests(http.server.BaseHTTPRequestHandler):
    server: Transit

    def _say(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.headers["x-vault-token"] != self.server.accepted:
            return self._say(403, {"errors": ["permission denied"]})
        if self.path != "/v1/transit/keys/writer":
            return self._say(404, {"errors": []})
        public = [base64.b64encode(each.public_key).decode() for each in (FIRST, SECOND)]
        keys = {str(n + 1): {"public_key": each} for n, each in enumerate(public)}
        return self._say(200, {"data": {"type": "ed25519", "derived": False, "latest_version": 2, "keys": keys}})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["x-vault-token"] != self.server.accepted or self.server.broken:
            return self._say(403, {"errors": ["permission denied"]})
        version = asked["key_version"]
        signature = sign((FIRST, SECOND)[version - 1], base64.b64decode(asked["input"]))
        told = f"vault:v{version}:{base64.b64encode(signature).decode()}"
        return self._say(200, {"data": {"key_version": version, "signature": told}})

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def transit():
    pytest.importorskip("cryptography")
    server = Transit()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def place(transit, tmp_path) -> dict[str, Any]:
    (tmp_path / "token").write_text(TOKEN)
    return {"url": transit.url, "key": "writer", "token_file": str(tmp_path / "token")}


async def test_a_server_has_the_key_of_an_agent_by_its_version(place):
    assert await calls_and_is_called(await vault(**place)) == SECOND.did
    assert await calls_and_is_called(await vault(**place, did=FIRST.did)) == FIRST.did


async def test_its_signature_is_given_for_a_token_that_counts_which_may_be_replaced(transit, place, bus, caplog):
    kept = await vault(**place)
    assert repr(kept) == f"KeptKey({SECOND.did!r})"
    transit.accepted = "hvs.another"
    with pytest.raises(XBindError, match="SIGN_FAILED") as raised:
        await kept.sign(b"abc")
    Path(place["token_file"]).write_text("hvs.another\n")
    assert len(await kept.sign(b"abc")) == 64
    transit.broken = True
    agent = autogen_xbind.AutoGenxBindAgent(agent_options={"bus": bus}, identity_provider=kept)
    Agent("plain", bus=bus, handler=lambda call: 1)
    failed = await agent.call("plain")
    assert (failed["error"].code, failed["error"].handled) == ("SIGN_FAILED", "no")
    shown = f"{raised.value} {raised.value!r} {failed} {caplog.text}"
    assert "identity provider" in caplog.text and "hvs." not in shown
    bus.close()


async def test_what_is_said_of_such_a_key_is_checked(place, tmp_path):
    for wrong, code in (
        ({"url": "http://10.0.0.1"}, "SIGN_FAILED"),
        ({"url": f"{place['url']}/path"}, "INVALID_CONFIG"),
        ({"key": "../sys"}, "INVALID_CONFIG"),
        ({"key": "none"}, "SIGN_FAILED"),
        ({"token_file": str(tmp_path / "none")}, "SIGN_FAILED"),
        ({"did": Identity().did}, "SIGN_FAILED"),
        ({"timeout": 0}, "INVALID_CONFIG"),
        ({"timeout": 31}, "INVALID_CONFIG"),
    ):
        assert (wrong, await code_of(vault(**{**place, **wrong}))) == (wrong, code)
    strings = ("url", "key", "token_file", "did", "mount", "namespace", "ca_file")
    odd: list[dict[str, Any]] = [{name: value} for name in strings for value in (None, False, 0, b"")]
    for wrong in [*odd, {"timeout": False}, {"timeout": "5"}, {"token": TOKEN}, {"module": "x"}]:
        with pytest.raises(TypeError):
            await vault(**{**place, **wrong})
    strings = ("module", "token", "key", "id", "pin_file", "pin_env", "did", "slot")
    odd = [{name: value} for name in strings for value in (None, False, b"", 0 if name != "slot" else "0")]
    for wrong in [*odd, {"timeout": "5"}, {"pin": PIN}, {"url": "x"}]:
        with pytest.raises(TypeError):
            await pkcs11(**{"module": "x", **wrong})  # type: ignore[arg-type]
    assert await code_of(pkcs11(module="x", slot=-1)) == "INVALID_CONFIG"
    with pytest.raises(TypeError, match="await vault"):
        KeptKey()


MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so")


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """A token of SoftHSM; this process has no other agents in modules."""
    module = next((each for each in MODULES if Path(each).exists()), None)
    if module is None or not shutil.which("softhsm2-util"):
        pytest.skip("SoftHSM is not here")
    folder = tmp_path_factory.mktemp("tokens")
    (folder / "objects").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder / 'objects'}\nobjectstore.backend = file\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        (folder / "key.pem").write_text(FIRST.to_pkcs8(format="pem"))
        for said in (
            ("--init-token", "--free", "--label", "agents", "--so-pin", "so-pin-1"),
            ("--import", str(folder / "key.pem"), "--token", "agents", "--label", "writer", "--id", "01"),
        ):
            subprocess.run(["softhsm2-util", *said, "--pin", PIN], check=True, capture_output=True)
        (folder / "pin").write_text(PIN)
        (folder / "wrong").write_text("pin-9999")
        patch.setenv("XBIND_TEST_PIN", PIN)
        yield folder, {"module": module, "token": "agents", "key": "writer", "pin_file": str(folder / "pin")}


async def test_a_security_module_has_the_key_of_an_agent_and_nobody_is_told_its_pin(token):
    folder, place = token
    # A token that one has logged in to is open for the whole process: so this comes first.
    with pytest.raises(XBindError, match="the token has refused its PIN") as raised:
        await pkcs11(**{**place, "pin_file": str(folder / "wrong")})
    assert raised.value.code == "SIGN_FAILED" and "pin-" not in f"{raised.value} {raised.value!r} {vars(raised.value)}"
    kept = await pkcs11(**place)
    assert await calls_and_is_called(kept) == FIRST.did
    assert "pin" not in repr(kept)
    by_environment = {name: place[name] for name in ("module", "token")}
    assert await calls_and_is_called(await pkcs11(**by_environment, id="01", pin_env="XBIND_TEST_PIN", did=FIRST.did)) == FIRST.did
    for wrong, code in (
        ({"pin_file": str(folder / "none")}, "SIGN_FAILED"),
        ({"module": str(folder / "pin")}, "SIGN_FAILED"),
        ({"key": "none"}, "SIGN_FAILED"),
        ({"token": "none"}, "SIGN_FAILED"),
        ({"slot": 1}, "INVALID_CONFIG"),
        ({"id": "xy"}, "INVALID_CONFIG"),
        ({"did": SECOND.did}, "SIGN_FAILED"),
    ):
        assert (wrong, await code_of(pkcs11(**{**place, **wrong}))) == (wrong, code)
