"""What an agent answers, and what it takes and gives."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any, NamedTuple, get_origin, get_type_hints

from . import _native
from ._check import Unset, check_callable, check_str
from ._guard import Guard, Handler, NoMethod, Policy, WrongInput
from ._incoming import IncomingCall
from ._journal import Journal
from ._types import Misfit, Shape, answered, shape_of

DESCRIBE = "xbind.describe"
_MAX_PATH = 256
_ODD = re.compile(r"[^\w -~]")


class Method(NamedTuple):
    """A method as it was set."""

    policy: Policy
    """Its own, as far as it has one."""
    guard: Guard
    card: dict[str, Any]


class Offers:
    """All that an agent answers. It does not change: whoever sets a handler gets another one."""

    def __init__(self, did: str, journal: Callable[[], Journal], describe: Handler) -> None:
        self._did = did
        self._journal = journal
        self._describe = describe
        self._policy = Policy()
        self._guard: Guard | None = None
        self._named: dict[str, Method] = {}
        self._describing = self._make(describe, Policy())

    def with_handler(self, handler: Handler | None, policy: Policy) -> Offers:
        """Without options, a handler that goes leaves its policy to the methods."""
        if handler is not None:
            check_callable(handler, "handler")
        base = self._policy if handler is None and policy.is_empty else policy.copied()
        guard = self._make(handler or _nobody, base)
        again = self._again(base, None if handler is None else guard)
        again._named = {
            name: each._replace(guard=self._make(each.guard.handler, each.policy.over(base)))
            for name, each in self._named.items()
        }
        return again._ready()

    def with_method(self, name: str, handler: Handler | None, policy: Policy, described: dict[str, Any]) -> Offers:
        own = policy.copied()
        guard = self._make(handler or _nobody, own.over(self._policy))
        again = self._again(self._policy, self._guard)
        again._named = {**self._named, check_str(name, "name"): Method(own, guard, {"name": name, **described})}
        # Whatever is out of the bounds of a card is told to whoever offers it, not to whoever asks for the card.
        _native.card_to_sign(self._did, json.dumps({"methods": again.methods(), "addresses": []}))
        if handler is None:
            del again._named[name]
        return again._ready()

    def _again(self, policy: Policy, guard: Guard | None) -> Offers:
        again = Offers(self._did, self._journal, self._describe)
        again._policy, again._guard = policy, guard
        return again

    def _ready(self) -> Offers:
        self._describing = self._make(self._describe, _readers(self._guards()))
        return self

    def _make(self, handler: Handler, policy: Policy) -> Guard:
        return Guard(self._did, handler, policy, self._journal)

    def _guards(self) -> list[Guard]:
        return ([self._guard] if self._guard else []) + [each.guard for each in self._named.values()]

    def set(self, port: int, agent: int) -> None:
        """Tells the native side."""
        judges: list[_native.JudgeRef] = []
        policies: list[dict[str, Any]] = []
        named = [(name, each.guard) for name, each in self._named.items()]
        for method, guard in [*([(None, self._guard)] if self._guard else []), *named, (DESCRIBE, self._describing)]:
            policies.append(guard.native(method, len(judges)))
            judges += guard.judges
        number = _native.guard(port, agent, json.dumps(policies), judges)
        for guard in [*self._guards(), self._describing]:
            guard.number = number

    def lost(self, before: Offers) -> list[str]:
        """What handlers asked for that those in their places do not."""
        pairs = [(before._guard, self._guard)]
        pairs += [(each.guard, self._named[name].guard) for name, each in before._named.items() if name in self._named]
        policies = [(was.policy, now.policy) for was, now in pairs if was is not None and now is not None]
        return [
            what
            for what in Policy._fields
            if any(isinstance(getattr(now, what), Unset) and not isinstance(getattr(was, what), Unset) for was, now in policies)
        ]

    def guard_for(self, method: str | None) -> Guard | None:
        """What is to be said of a call of that method, or of one without."""
        if method == DESCRIBE:
            return self._describing
        named = None if method is None else self._named.get(method)
        return named.guard if named else self._guard

    def handler_for(self, method: str | None) -> Handler | None:
        """What answers it."""
        if method is not None and method != DESCRIBE and method.lower().startswith("xbind."):
            return _missing
        guard = self.guard_for(method)
        return guard.handler if guard else None

    def methods(self) -> list[dict[str, Any]]:
        """As they stand in the card."""
        return [{**each.card, "scopes": each.guard.needed} for each in self._named.values()]


def method_of(function: Callable[..., Any]) -> tuple[Handler, dict[str, Any]]:
    """A function as a handler, with what its annotations say, and what its card says."""
    takes, gives, call_at, has_default = _annotated(function)
    described: dict[str, Any] = {}
    doc = _bare(function).__doc__ if _is_partial(function) else function.__doc__
    if doc:
        described["description"] = inspect.cleandoc(doc).split("\n\n")[0]
    if takes is not None and takes[1].schema:
        described["input"] = json.dumps(takes[1].schema)
    if gives is not None and gives.schema:
        described["output"] = json.dumps(gives.schema)

    def handle(call: IncomingCall[Any]) -> Any:
        arguments: dict[str, Any] = {}
        if call.payload is None and has_default:
            pass
        elif takes is not None:
            arguments[takes[0]] = call.payload = _taken(takes[1], call.payload)
        elif call.payload is not None:
            raise WrongInput(None)
        if call_at is not None:
            arguments[call_at] = call
        value = function(**arguments)
        return value if gives is None else _checked(gives, value)

    return handle, described


def name_of_method(function: Callable[..., Any]) -> str:
    """Its own, where none is given."""
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        raise TypeError("what has no name of its own as a method is given one: method('name')")
    return name


def _bare(function: Any) -> Any:
    """The function whose annotations count."""
    while _is_partial(function):
        function = function.func
    if inspect.isroutine(function) or inspect.isclass(function):
        return function
    kind: type[Any] = type(function)  # pyright: ignore[reportUnknownVariableType]
    return kind.__call__


def _is_partial(function: Any) -> bool:
    return isinstance(function, functools.partial)


def _annotated(function: Callable[..., Any]) -> tuple[tuple[str, Shape] | None, Shape | None, str | None, bool]:
    check_callable(function, "a method")
    hints = get_type_hints(_bare(function), include_extras=True)
    bound: Any = getattr(function, "keywords", {}) if _is_partial(function) else {}
    takes: tuple[str, Shape] | None = None
    call_at: str | None = None
    has_default = False
    for name, parameter in inspect.signature(function).parameters.items():
        if name in bound:
            continue
        hint = hints.get(name, Any)
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise TypeError(f"a method takes its payload by name, and has no {parameter}")
        if hint is IncomingCall or get_origin(hint) is IncomingCall:
            call_at = name
        elif takes is None:
            takes = (name, shape_of(hint))
            has_default = parameter.default is not parameter.empty
        else:
            raise TypeError(f"a method takes one payload, and beside {takes[0]} no {name}: make one dataclass of them")
    return takes, shape_of(answered(hints["return"])) if "return" in hints else None, call_at, has_default


def _taken(shape: Shape, payload: Any) -> Any:
    try:
        return shape.read(payload)
    except Misfit as misfit:
        raise WrongInput(_detail(misfit)) from None


def _checked(shape: Shape, value: Any) -> Any:
    """What does not fit is the handler's fault."""
    if inspect.isawaitable(value):
        return _later(shape, value)
    return _parts(shape, value) if isinstance(value, AsyncIterable) else _given(shape, value)  # pyright: ignore[reportUnknownArgumentType]


async def _later(shape: Shape, value: Any) -> Any:
    return _checked(shape, await value)


async def _parts(shape: Shape, parts: AsyncIterable[Any]) -> AsyncIterator[Any]:
    iterator = parts.__aiter__()
    try:
        async for part in iterator:
            yield _given(shape, part)
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


def _given(shape: Shape, value: Any) -> Any:
    try:
        shape.read(value)
    except Misfit as misfit:
        raise TypeError(f"the answer does not fit its type at {misfit or '/'}") from None
    return value


def _detail(misfit: Misfit) -> str | None:
    """The path as a JSON pointer (RFC 6901), in characters that do nothing in a log, and no longer than is passed on."""
    text = ""
    for step in misfit.path:
        shown = str(step)[:_MAX_PATH].replace("~", "~0").replace("/", "~1")
        longer = f"{text}/{_ODD.sub('?', shown)}"
        if len(longer.encode(errors="replace")) > _MAX_PATH:
            break
        text = longer
    return json.dumps({"path": text}) if text else None


def _readers(guards: list[Guard]) -> Policy:
    """Whoever may call anything may read what there is."""
    if not guards or any(guard.is_open for guard in guards):
        return Policy()
    lists = [guard.only for guard in guards]
    if any(only is None for only in lists):

        def allow(sender: str) -> bool:
            return any(guard.allows(sender) for guard in guards)

        return Policy(allow=allow)
    return Policy(allow=[did for only in lists for did in only or []])


def _missing(_: IncomingCall[Any]) -> Any:
    raise NoMethod


def _nobody(_: IncomingCall[Any]) -> None:
    return None
