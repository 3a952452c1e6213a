"""A handler, and the part of its policy that only Python can say. What comes of it, the native side decides."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from . import _native
from ._check import MAX_TIMER, UNSET, Unset, check_callable, milliseconds, name_of, strings
from ._errors import XBindError
from ._json import decode
from ._revocation import Revocations
from ._tokens import covers
from ._verifier import TokenVerifier, Trust

if TYPE_CHECKING:
    from ._incoming import IncomingCall, Running
    from ._journal import Journal

# What `judge` says, beside what has to be found out.
MAY_BEGIN, TO_BE_GIVEN_BACK, WAITS, _ASKS_APPROVAL = 0, 2, 3, 4
_ASKS_ALLOWED, _JUDGES_TOKEN = 1, 2

Handler: TypeAlias = "Callable[[IncomingCall[Any]], Any]"
Allow: TypeAlias = "Iterable[str] | Callable[[str], bool]"
"""DIDs, or a predicate over the proven DID."""


class WrongInput(Exception):
    """A payload that does not fit: told to its caller, with the place and nothing else."""

    def __init__(self, detail: str | None) -> None:
        super().__init__("the payload does not fit the method")
        self.detail = detail


class NoMethod(Exception):
    """A method that nobody handles."""


class Unreadable(Exception):
    """A body that only claims to be JSON."""


class ApprovedCall(NamedTuple):
    """A call of which is asked whether it needs an approval."""

    sender: str
    """The caller's DID, proven by its signature."""
    payload: Any
    """The arguments of the call."""
    method: str | None
    """The method asked for."""


@dataclass(frozen=True)
class ApprovalPolicy:
    """Who has to approve of calls, and of which."""

    by: str | Sequence[str]
    """DIDs whose approval counts. The first one is asked over the bus when a call brings none along."""
    when: Callable[[ApprovedCall], bool] | None = None
    """Which calls need one; all by default."""
    timeout: float = 60
    """How long the approver may take, in seconds."""


class Policy(NamedTuple):
    """Who may call, and with which rights."""

    allow: Allow | Unset = UNSET
    trust: Trust | Unset = UNSET
    scopes: Iterable[str] | Unset = UNSET
    revocations: Revocations | Unset = UNSET
    approval: ApprovalPolicy | Unset = UNSET

    def over(self, base: Policy) -> Policy:
        """What is left out is that of another."""
        return base._replace(**{name: own for name, own in self._asdict().items() if not isinstance(own, Unset)})

    @property
    def is_empty(self) -> bool:
        return all(isinstance(each, Unset) for each in self)

    def copied(self) -> Policy:
        """Of one's own: nobody changes it afterwards."""
        allow = self.allow
        if not isinstance(allow, Unset) and not callable(allow):
            allow = strings(allow, "allow", " or a function")
        scopes = self.scopes if isinstance(self.scopes, Unset) else list(dict.fromkeys(strings(self.scopes, "scopes")))
        return self._replace(allow=allow, scopes=scopes)


class Guard:
    """A handler and its policy."""

    def __init__(self, did: str, handler: Handler, policy: Policy, journal: Callable[[], Journal]) -> None:
        self.handler = handler
        self.policy = policy
        self.number = 1
        """Which of the agent's policies this is; 1 for the handler that an agent is made with."""
        self._journal = journal
        self._told: set[str] = set()
        for what, value in policy._asdict().items():
            if value is None:
                raise TypeError(f"{what} must not be None: leave it out where there is none")
        allow, trust, scopes, revocations, approval = policy
        self._allow = allow if callable(allow) else None
        self._only = None if isinstance(allow, Unset) or callable(allow) else list(allow)
        if isinstance(trust, Unset) and not (isinstance(scopes, Unset) and isinstance(revocations, Unset)):
            what = "revocations" if isinstance(scopes, Unset) else "scopes"
            raise XBindError("INVALID_CONFIG", f"{what} without trust", "say with trust whose tokens count")
        self.needed = [] if isinstance(scopes, Unset) else list(scopes)
        for scope in self.needed:
            covers(scope, scope)  # raises for what is no scope
        self._verifier: TokenVerifier | None = None
        if not isinstance(trust, Unset):
            self._verifier = TokenVerifier(did, trust=trust, revocations=() if isinstance(revocations, Unset) else revocations)
        self._approval, self._when = _approval_in(approval)

    @property
    def judges(self) -> list[_native.JudgeRef]:
        return [self._verifier.judge] if self._verifier else []

    def native(self, method: str | None, judge: int) -> dict[str, Any]:
        """As the native side takes it."""
        return {
            "method": method,
            "only": self._only,
            "asksAllowed": self._allow is not None,
            "judge": judge if self._verifier else None,
            "scopes": self.needed,
            "approval": self._approval,
        }

    @property
    def is_open(self) -> bool:
        """Whether everybody may call, as far as the DID goes."""
        return self._allow is None and self._only is None

    @property
    def only(self) -> list[str] | None:
        return self._only

    def allows(self, sender: str) -> bool:
        """Whether a list or predicate lets that DID call. One that raises lets nobody."""
        if self._allow is None:
            return self._only is None or sender in self._only
        try:
            return self._said("allow", self._allow(sender)) is True
        except Exception as error:
            self._journal().warn("allow raised when it was asked who may read the card: nobody may on its account", error)
            return False

    def judge(self, port: int, running: Running) -> int | Coroutine[Any, Any, str]:
        """Whether the handler may begin: a number, or what will be found out and is told the next time."""
        asks = int((running.guarded or "0")[0])
        allowed = None
        if asks & _ASKS_ALLOWED:
            allowed = self._allow is not None and self._said("allow", self._allow(running.sender)) is True
        sources = bool(asks & _JUDGES_TOKEN) and self._verifier is not None and self._verifier.has_sources
        needed: bool | None = None
        answers, running.told = running.told, None
        while True:
            start, needs = _native.judge(port, running.ticket, self.number, allowed, needed, sources, answers)
            answers = None
            if start == _ASKS_APPROVAL:
                needed = self._needs_approval(running)
            elif start is not None:
                return start
            else:
                assert needs is not None and self._verifier is not None
                found = self._verifier.find_out(needs)
                if not isinstance(found, str):
                    return found
                answers = found

    def _needs_approval(self, running: Running) -> bool:
        """The predicate gets a payload of its own: what it does with it does not reach the handler."""
        try:
            payload = decode(running.body)
        except ValueError:
            raise Unreadable from None
        if self._when is None:
            return True
        return self._said("approval.when", self._when(ApprovedCall(running.sender, payload, running.method))) is not False

    def _said(self, what: str, answer: Any) -> Any:
        """What is awaitable is neither yes nor no."""
        if isinstance(answer, bool):
            return answer
        if inspect.iscoroutine(answer):
            answer.close()
        if what not in self._told:
            self._told.add(what)
            self._journal().warn(f"{what} has to answer True or False at once; {name_of(answer)} lets no call in")
        return answer


def _approval_in(approval: Any) -> tuple[dict[str, Any] | None, Callable[[ApprovedCall], bool] | None]:
    if isinstance(approval, Unset):
        return None, None
    if not isinstance(approval, ApprovalPolicy):
        raise TypeError(f"approval must be an ApprovalPolicy, not {name_of(approval)}")
    by = [approval.by] if isinstance(approval.by, str) else strings(approval.by, "approval.by")
    if not by:
        raise XBindError("INVALID_CONFIG", "approval.by names nobody")
    if approval.when is not None:
        check_callable(approval.when, "approval.when")
    timeout = milliseconds(approval.timeout, 60_000, "approval.timeout")
    return {"by": by, "asked": approval.when is not None, "timeoutMs": min(timeout, MAX_TIMER)}, approval.when
