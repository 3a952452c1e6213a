"""What the core, which knows no language, cannot name: the options behind its bounds. By message or code."""

from __future__ import annotations

_HINTS = {
    "PAYLOAD_TOO_LARGE": "send less, or raise max_payload_bytes on both sides",
    "TIMEOUT": "raise timeout, or look why the other agent is slow",
    "INBOX_FULL": "try again later; its owner may raise concurrency, inbox_messages or inbox_bytes",
    "NOT_ALLOWED": "ask its owner to add your DID to `allow`",
    "an agent cannot call itself": "call the function directly, or make another agent with an identity of its own",
    "APPROVAL_FAILED": (
        "the approver could not be asked, or signed nothing that holds, and nothing was begun:"
        " try again when it is there, or call with approval="
    ),
    "AGENT_NOT_FOUND": "make it first, on the same bus, and do not close it",
}

_SPELT = {"openAuditLog": "open_audit_log", "verifyAudit": "verify_audit"}

# What happened at an address has a hint of its own, which fits better.
_AT_AN_ADDRESS = ("no agent was reached at ", "what is at ", "the response of ", "calls are under way to ")


def hinted(code: str, message: str, hint: str | None) -> str | None:
    """The hint that names an option where there is one."""
    if hint is not None and message.startswith(_AT_AN_ADDRESS):
        return hint
    return _HINTS.get(message) or _HINTS.get(code) or hint


def spelt(hint: str | None) -> str | None:
    """With the names that functions have here."""
    for name, here in _SPELT.items() if hint else ():
        hint = (hint or "").replace(name, here)
    return hint
