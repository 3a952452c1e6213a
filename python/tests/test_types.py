"""What type checkers are told is what there is."""

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

import private_me
from private_me import ErrorCode, _native

PACKAGE = Path(private_me.__file__).parent
REPOSITORY = Path(__file__).parents[2]


def test_the_stub_of_the_native_side_names_what_there_is():
    stub = ast.parse((PACKAGE / "_native.pyi").read_text())
    functions = {node.name: node for node in stub.body if isinstance(node, ast.FunctionDef)}
    classes = {node.name for node in stub.body if isinstance(node, ast.ClassDef)}
    there = {name for name in dir(_native) if not name.startswith("__")}
    assert set(functions) == {name for name in there if not isinstance(getattr(_native, name), type)}
    assert {name for name in there if isinstance(getattr(_native, name), type)} <= classes
    for name, node in functions.items():
        told = [argument.arg for argument in node.args.args]
        assert told == list(inspect.signature(getattr(_native, name)).parameters), name


def test_every_code_of_the_core_is_there():
    source = REPOSITORY / "docs" / "errors.md"
    if not source.exists():
        pytest.skip("the documents are in the repository alone")
    assert list(get_args(ErrorCode)) == re.findall(r"^#+ `?([A-Z]+(?:_[A-Z]+)*)`?$", source.read_text(), re.MULTILINE)


def test_every_public_name_says_what_it_is():
    for name in private_me.__all__:
        thing = getattr(private_me, name)
        if not inspect.isclass(thing) and not inspect.isfunction(thing):
            continue
        assert thing.__doc__ and not thing.__doc__.startswith(f"{name}("), name
        if not inspect.isclass(thing):
            continue
        for member, value in vars(thing).items():
            function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            if not member.startswith("_") and (inspect.isfunction(function) or isinstance(function, property)):
                assert function.__doc__, f"{name}.{member}"


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_package_and_what_uses_it_pass_strict(checker, tmp_path):
    command = {"mypy": ["mypy", "--strict"], "pyright": ["pyright", "--pythonpath", sys.executable]}[checker]
    if subprocess.run([sys.executable, "-m", checker, "--version"], capture_output=True).returncode:
        pytest.skip(f"there is no {checker} here")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    package = ["-p", "private_me"] if checker == "mypy" else ["-p", "."]
    if not all(importlib.util.find_spec(each) for each in ("autogen_core", "ag2", "agent_framework")):
        package = [
            str(each) for each in PACKAGE.glob("*.py") if not re.match("_?autogen(_(?!xbind)|$)|ag2|agent_fra", each.stem)
        ]
    for files, where in ((package, PACKAGE.parent), ([str(program)], tmp_path)):
        done = subprocess.run([sys.executable, "-m", *command, *files], cwd=where, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


PROGRAM = """
import asyncio
from dataclasses import dataclass
from collections.abc import AsyncIterator
from private_me import Agent, IncomingCall, TokenVerifier, XBindError, autogen_xbind

@dataclass
class Task:
    topic: str

async def main() -> None:
    async with Agent("a") as a, Agent("b") as b:
        @b.method
        async def summarise(task: Task) -> str:
            return task.topic

        @b.method("parts", allow=[a.did])
        async def parts(call: IncomingCall[None]) -> AsyncIterator[int]:
            yield 1

        assert (await summarise(Task("x"))).upper()
        try:
            print(await a.call(b.did, Task("x"), method="summarise"))
        except XBindError as error:
            if error.code == "TIMEOUT":
                print(error.hint)
        async for part in a.stream("b", method="parts"):
            print(part)
        b.handle(lambda call: call.payload, trust=[a.did], scopes=["x"])
        print(TokenVerifier("x", trust=[a.did]).verify("x").chain[0])
    agent = autogen_xbind.AutoGenxBindAgent(name="c")
    result = await agent.call("b", {})
    if result["ok"]:
        print(result["value"])
    else:
        print(result["error"].code)

asyncio.run(main())
"""
