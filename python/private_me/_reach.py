"""How agents reach URLs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import _native
from ._check import UNSET, Unset, check_str, name_of, strings
from ._errors import XBindError


@dataclass(frozen=True)
class ProxyUse:
    """A proxy, and what is reached without it."""

    url: str
    """Its URL."""
    exempt: Sequence[str] = ()
    """Names, with all that is below them, IP addresses, or `*`, each with a port behind it or without."""

    def __repr__(self) -> str:
        return f"ProxyUse(exempt={self.exempt!r})"


@dataclass(frozen=True)
class HttpReach:
    """How the agents of a bus reach URLs."""

    proxy: str | ProxyUse | Unset = UNSET
    """A proxy through which all of it leaves, by CONNECT: `http://` or `https://`, with a name and a password before the host if it
    wants them. What is on this machine is reached without, unless the proxy is here too. `"environment"`: what `HTTPS_PROXY` and
    `NO_PROXY` say, which nobody asks otherwise. None by default."""
    ca: str | Sequence[str] | Unset = UNSET
    """Certificates of authorities that are believed beside Mozilla's, as PEM: one text, or several."""

    def __repr__(self) -> str:
        return f"HttpReach(proxy={not isinstance(self.proxy, Unset)}, ca={not isinstance(self.ca, Unset)})"


def reach_in(http: Any) -> str:
    """What the native side is told."""
    if not isinstance(http, HttpReach):
        raise TypeError(f"http must be an HttpReach, not {name_of(http)}")
    url, exempt = _proxy_in(http.proxy)
    ca: Any = http.ca
    authorities = [] if isinstance(ca, Unset) else [check_str(ca, "http.ca")] if isinstance(ca, str) else strings(ca, "http.ca")
    return json.dumps({"proxy": url, "except": exempt, "ca": authorities})


def reach_by(node: _native.NodeRef, reach: str) -> None:
    """The agents of a bus reach URLs that way. Raises INVALID_CONFIG."""
    try:
        _native.reach_addresses(node, reach)
    except XBindError as error:
        error.hint = error.hint and error.hint.replace("`except`", "`exempt`")  # a word of Python's
        raise


def _proxy_in(proxy: Any) -> tuple[str | None, list[str]]:
    if isinstance(proxy, Unset):
        return None, []
    if isinstance(proxy, ProxyUse):
        return check_str(proxy.url, "http.proxy.url"), strings(proxy.exempt, "http.proxy.exempt")
    if not isinstance(proxy, str):
        raise TypeError(f"http.proxy must be a string or a ProxyUse, not {name_of(proxy)}")
    text = check_str(proxy, "http.proxy")
    return _from_environment() if text == "environment" else (text, [])


def _from_environment() -> tuple[str | None, list[str]]:
    """What is written small comes first, as everywhere."""
    url = os.environ.get("https_proxy", os.environ.get("HTTPS_PROXY"))
    exempt = os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))
    return url or None, [host for host in re.split(r"[\s,]+", exempt) if host]
