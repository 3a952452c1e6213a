"""An authority in a process of its own, and an issuer of users' tokens, for tests."""

import http.server
import json
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from fetched import jws

from private_me import Agent, Identity, Located, MessageBus

CLI = Path(__file__).parents[2] / "dist" / "cli.cjs"


class Authority:
    """One, with an operator and the agents `alice` and `bob`, who may have these scopes."""

    def __init__(self, *scopes: str) -> None:
        if not shutil.which("node") or not CLI.exists():
            pytest.skip("the package for Node.js is not built here")
        self._folder = tempfile.TemporaryDirectory(prefix="xbind-authority-")
        self.dir = Path(self._folder.name) / "dev"
        self.data = self.dir / "authority"
        told = self._begin("dev", "--dir", str(self.dir), *(each for scope in scopes for each in ("--scopes", scope)))
        self.url: str = told["url"]
        self.did: str = told["did"]
        self.at = Located(self.did, self.url)

    def _begin(self, *args: str) -> Any:
        command = ["node", str(CLI), *args, "--json", "--quiet"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the authority ended"
        return json.loads(line)

    def xbind(self, *args: str) -> Any:
        """Runs a command."""
        return self._run(*args, "--dir", str(self.dir))

    def step(self, name: str, *args: str) -> Any:
        """A step of its key, while it runs."""
        return self._run("authority", name, *args, "--data", str(self.data))

    @staticmethod
    def _run(*args: str) -> Any:
        command = ["node", str(CLI), *args, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def join(self, who: str, *scopes: str) -> None:
        """One more of its agents."""
        own = ("--profile", who)
        self.xbind("init", "--domain", "dev.example", "--server", self.url, *own)
        self.xbind("register", "agent", *own)
        self.xbind("agent-scopes", "set", *(each for scope in scopes for each in ("--scopes", scope)), *own)

    def file(self, name: str, content: Any) -> str:
        path = self.dir / name
        path.write_text(json.dumps(content))
        return str(path)

    def serve(self, *more: str) -> None:
        """It is killed, and is where it was, with more options."""
        self.kill()
        listen = ("--listen", urllib.parse.urlsplit(self.url).netloc, "--url", self.url)
        self._begin("authority", "serve", "--data", str(self.data), *listen, *more)

    async def agent(self, who: str, bus: MessageBus, **options: Any) -> Agent:
        """One of its agents, brought here with its key."""
        return await Agent.from_identity(self.key(who), who, bus=bus, **{"registry": self.at, **options})

    def key(self, who: str) -> str:
        return (self.dir / "profiles" / who / "keys" / "agent.key").read_text()

    def own_key(self, name: str = "authority.key") -> Identity:
        """One that it signs with."""
        return Identity.from_pkcs8((self.data / name).read_text())

    def issued(self) -> int:
        """How many tokens it has issued."""
        with urllib.request.urlopen(f"{self.url}/metrics") as response:
            lines = response.read().decode().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("xbind_tokens_issued_total "))

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def end(self) -> None:
        self.kill()
        self._folder.cleanup()


class Issuer:
    """Where users sign in: discovery, keys, and what it signs."""

    def __init__(self, audience: str) -> None:
        pytest.importorskip("cryptography")
        self._audience = audience
        self._key = Identity()
        issuer = self

        class Documents(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(issuer.documents()[self.path]).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Documents)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def documents(self) -> dict[str, Any]:
        key = {"kty": "OKP", "crv": "Ed25519", "x": self._key.to_jwk()["x"], "alg": "EdDSA", "kid": "k", "use": "sig"}
        return {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"},
            "/jwks": {"keys": [key]},
        }

    def token(self, user: str, scope: str = "workspace", seconds: int = 600) -> str:
        """The access token of a user who has signed in."""
        return self._signed("at+jwt", sub=user, sid=f"of-{user}", scope=scope, exp=int(time.time()) + seconds)

    def sign_out(self, user: str, authority: str) -> None:
        """Tells an authority that the user has signed out."""
        events: dict[str, Any] = {"http://schemas.openid.net/event/backchannel-logout": {}}
        told = {"logout_token": self._signed("logout+jwt", sub=user, sid=f"of-{user}", events=events)}
        body = urllib.parse.urlencode(told).encode()
        urllib.request.urlopen(f"{authority}/oauth/backchannel-logout", body).close()

    def _signed(self, kind: str, **own: Any) -> str:
        now = int(time.time())
        said = {"iss": self.url, "aud": self._audience, "iat": now, "exp": now + 600, "jti": str(uuid.uuid4()), **own}
        return jws(self._key, {"kid": "k", "typ": kind}, said)

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


AGENTS = {"analyst": ["notes:read"], "researcher": ["plan:read"], "writer": ["analysis:read"]}


class Workflow:
    """An authority with agents that act for users of an issuer on this machine."""

    def __init__(self) -> None:
        self.users = Issuer("authority")
        try:
            self.authority = Authority()
        except BaseException:
            self.users.end()
            raise
        for name, scopes in AGENTS.items():
            self.authority.join(name, *scopes)
        entry = {"issuer": self.users.url, "audience": "authority", "algorithms": ["EdDSA"]}
        self.authority.serve("--issuers", self.authority.file("issuers.json", {"issuers": [entry]}))
        given = {"workspace": [scope for scopes in AGENTS.values() for scope in scopes]}
        taken = {"issuers": [{"issuer": self.users.url, "scopes": given}]}
        self.authority.xbind("exchange", "set", self.authority.file("users.json", taken))

    def end(self) -> None:
        self.users.end()
        self.authority.end()
