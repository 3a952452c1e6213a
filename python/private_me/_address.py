"""Where an agent beyond this process is."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from . import _native
from ._card import AgentCard
from ._check import check_did, check_str, name_of, strings
from ._errors import XBindError


class Located(NamedTuple):
    """An agent, or an authority, at a URL: it must answer as that DID."""

    did: str
    """Who must answer."""
    url: str
    """Where: https, or http on this machine."""


Address: TypeAlias = "str | Located | AgentCard"
"""Name, DID or URL; or a DID at a URL. A card leads to the first of its addresses that is https: a stranger's word, in the public
network."""


def recipient_in(to: Address) -> str:
    """As the native side reads it: `url#did`, with a `~` before it where a stranger names the URL."""
    if isinstance(to, str):
        return _at(to, None, False) if "://" in check_str(to, "to") else to
    if isinstance(to, AgentCard):
        did, urls = check_did(to.did, "to.did"), strings(to.addresses, "to.addresses")
        return _at(next((each for each in urls if each.lower().startswith("https:")), urls[0]), did, True) if urls else did
    if isinstance(to, Located):  # pyright: ignore[reportUnnecessaryIsInstance]
        return _at(check_str(to.url, "to.url"), check_did(to.did, "to.did"), False)  # a name would lead elsewhere
    raise TypeError(f"to must be a name, a DID, a URL, a Located or a card, not {name_of(to)}")


def _at(url: str, did: str | None, is_strangers: bool) -> str:
    why = _native.refuse_url(url, "stranger" if is_strangers else "owner")
    if why is not None:
        raise XBindError("INVALID_CONFIG", why, "give https://host/path, or http:// of this machine")
    return f"{'~' if is_strangers else ''}{url}{'' if did is None else f'#{did}'}"
