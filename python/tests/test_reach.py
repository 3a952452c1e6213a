"""How addresses are reached: https by an authority of one's own, and a proxy where one is named. The names are those of
__test__/serve-reach.spec.ts where it is the same promise."""

import asyncio
import base64
import contextlib
import os
import shutil
import ssl
import subprocess
import textwrap
from pathlib import Path

import pytest
import pytest_asyncio
from logs import code
from test_lifetime import run

from private_me import Agent, HttpReach, Located, MessageBus, ProxyUse, XBindError, listen, serve_agents


def authority(folder: Path, name: str = "localhost") -> tuple[str, ssl.SSLContext]:
    """An authority, and a server with a certificate by it."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl here")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

    folder.mkdir(exist_ok=True)
    fresh = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
    openssl("req", "-x509", *fresh, "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=an authority")
    (folder / "ext").write_text(f"subjectAltName=DNS:{name}")
    openssl("req", "-new", *fresh, "key", "-out", "csr", "-subj", f"/CN={name}")
    by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    openssl("x509", "-req", "-in", "csr", *by, "-out", "pem", "-days", "2", "-extfile", "ext")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pem", folder / "key")
    return (folder / "ca.pem").read_text(), context


@pytest_asyncio.fixture
async def mounted():
    """Agents that are served, with TLS or without."""
    async with contextlib.AsyncExitStack() as stack:

        async def mount(context: ssl.SSLContext | None = None) -> Located:
            agent = await stack.enter_async_context(Agent(bus=MessageBus(), handler=lambda call: call.payload))
            options = {} if context is None else {"tls": context}
            server = await stack.enter_async_context(listen(serve_agents([agent], path="/agents"), **options))
            return Located(agent.did, f"http{'s' if context else ''}://localhost:{server.port}/agents")

        yield mount


def caller(http: HttpReach | None = None) -> Agent:
    return Agent(bus=MessageBus() if http is None else MessageBus(http=http), timeout=20)


class Proxy:
    """Makes tunnels, and keeps what it was asked for."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.asked: list[str] = []
        self.authorization: list[str] = []
        self._refuses = refuses
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head.split()[1])
            self.authorization += [line[21:] for line in head.split("\r\n") if line.lower().startswith("proxy-authorization: ")]
            if self._refuses:
                writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                return
            there = await asyncio.open_connection("127.0.0.1", int(head.split()[1].rpartition(":")[2]))
            writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            await asyncio.gather(_pipe(reader, there[1]), _pipe(there[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def test_https_end_to_end_by_an_authority_that_the_caller_believes(mounted, tmp_path):
    ca, context = authority(tmp_path / "one")
    other, _ = authority(tmp_path / "other")
    place = await mounted(context)
    for believed in (ca, [other, ca], (ca,)):
        believing = caller(HttpReach(ca=believed))
        assert await believing.call(place, "hello") == "hello"
        assert await believing.call(place.url, "by url") == "by url"
    assert await code(caller().call(place, 1)) == "AGENT_NOT_FOUND"
    with pytest.raises(XBindError, match="the certificate") as caught:
        await caller(HttpReach(ca=other)).call(place, 1)
    assert (caught.value.code, caught.value.handled) == ("AGENT_NOT_FOUND", "no")
    by_address = Located(place.did, place.url.replace("localhost", "127.0.0.1"))
    assert await code(caller(HttpReach(ca=ca)).call(by_address, 1)) == "AGENT_NOT_FOUND"


async def test_a_proxy_is_asked_for_a_tunnel_by_https_and_http_and_sees_nothing_else(mounted, tmp_path):
    ca, context = authority(tmp_path / "one")
    secure, plain = await mounted(context), await mounted()
    async with Proxy() as through:
        through_it = caller(HttpReach(ca=ca, proxy=through.url.replace("//", "//me:secret@")))
        for place in (secure, plain):
            assert await through_it.call(place, 1) == 1
            assert await through_it.call(place.url, 2) == 2
        assert set(through.asked) == {each.url.split("/")[2] for each in (secure, plain)}
        assert set(through.authorization) == {f"Basic {base64.b64encode(b'me:secret').decode()}"}


async def test_a_proxy_that_refuses_or_is_not_there_means_that_nothing_has_left(mounted):
    place = await mounted()
    async with Proxy(refuses=True) as through:
        for url in (through.url, "http://127.0.0.1:1"):
            with pytest.raises(XBindError) as caught:
                await caller(HttpReach(proxy=url)).call(place, 1)
            assert (caught.value.code, caught.value.handled) == ("AGENT_NOT_FOUND", "no")
        assert through.asked


async def test_a_proxy_is_left_out_for_what_it_is_not_for_and_of_the_environment_only_where_that_is_asked(mounted, monkeypatch):
    place = await mounted()
    async with Proxy() as through, Proxy() as unused:
        for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, through.url)
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.delenv("no_proxy", raising=False)
        assert await caller().call(place, 1) == 1
        assert await caller(HttpReach(proxy=ProxyUse(through.url, exempt=["localhost"]))).call(place, 2) == 2
        assert through.asked == []
        assert await caller(HttpReach(proxy="environment")).call(place, 3) == 3
        assert through.asked
        monkeypatch.setenv("https_proxy", unused.url)
        monkeypatch.setenv("NO_PROXY", ".example, localhost")
        assert await caller(HttpReach(proxy="environment")).call(place, 4) == 4
        assert unused.asked == []
        monkeypatch.setenv("https_proxy", "")  # what is written small says that there is none
        monkeypatch.delenv("NO_PROXY")
        asked = len(through.asked)
        assert await caller(HttpReach(proxy="environment")).call(place, 5) == 5
        assert len(through.asked) == asked


def test_options_are_refused_that_are_none():
    for wrong in (None, False, 0, "", float("nan"), object(), {}, {"proxy": "http://127.0.0.1:1"}, "http://127.0.0.1:1"):
        with pytest.raises(TypeError):
            MessageBus(http=wrong)
    for wrong in (None, False, 0, b"http://127.0.0.1:1", ["http://127.0.0.1:1"], float("nan"), object()):
        with pytest.raises(TypeError):
            MessageBus(http=HttpReach(proxy=wrong))
        with pytest.raises(TypeError):
            MessageBus(http=HttpReach(proxy=ProxyUse(wrong)))
    for wrong in (None, False, 0, b"PEM", [None], [b"PEM"], float("nan"), object(), {"a": "b"}):
        with pytest.raises(TypeError):
            MessageBus(http=HttpReach(ca=wrong))
        with pytest.raises(TypeError):
            MessageBus(http=HttpReach(proxy=ProxyUse("http://127.0.0.1:1", exempt=wrong)))
    with pytest.raises(TypeError):
        MessageBus(http=HttpReach(proxy=ProxyUse("http://127.0.0.1:1", exempt="localhost")))  # one text is no list
    wrong_ones = (
        HttpReach(proxy=""),
        HttpReach(proxy="socks5://127.0.0.1:1"),
        HttpReach(proxy="127.0.0.1:1"),
        HttpReach(proxy=ProxyUse("http://127.0.0.1:1", exempt=["10.0.0.0/8"])),
        HttpReach(ca=""),
        HttpReach(ca="-----BEGIN CERTIFICATE-----"),
    )
    for wrong in wrong_ones:
        with pytest.raises(XBindError) as caught:
            MessageBus(http=wrong)
        assert caught.value.code == "INVALID_CONFIG" and "except" not in str(caught.value)
    with pytest.raises(ValueError):
        MessageBus(http=HttpReach(proxy="\ud800"))
    secret = HttpReach(proxy=ProxyUse("http://me:secret@127.0.0.1:1"), ca="x")
    assert "secret" not in f"{secret!r} {secret.proxy!r}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_bus_that_was_made_before_a_fork_says_so_in_the_child():
    program = """
        import asyncio, os, warnings
        warnings.simplefilter("ignore")
        from private_me import Agent, HttpReach, MessageBus, listen, serve_agents
        bus = MessageBus(http=HttpReach(proxy="http://127.0.0.1:1"))  # no thread of it runs yet
        async def main():
            async with Agent(bus=MessageBus(), handler=lambda call: call.payload) as far, listen(serve_agents([far])) as server:
                url = f"http://localhost:{server.port}"
                try:
                    await Agent(bus=bus, timeout=10).call(url, 1)
                except Exception as error:
                    assert error.code == "AGENT_NOT_FOUND", error
                else:
                    raise AssertionError("it went past the proxy")
        child = os.fork()
        asyncio.run(main())
        if child:
            assert os.waitpid(child, 0)[1] == 0
    """
    run(textwrap.dedent(program))
