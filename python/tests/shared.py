"""The files of vectors/, and what their cases expect."""

import json
from pathlib import Path
from typing import Any

import pytest

from private_me import XBindError

FOLDER = Path(__file__).parents[2] / "vectors"
if not FOLDER.is_dir():
    pytest.skip("the vectors are in the repository alone", allow_module_level=True)


def vectors(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def cases(name: str, *, of: str = "cases") -> Any:
    """Each case by its name."""
    found = vectors(name)[of]
    return pytest.mark.parametrize("case", [pytest.param(each, id=str(each.get("name"))) for each in found])


def code_of(ask: Any) -> str:
    try:
        ask()
    except XBindError as error:
        return error.code
    return "ok"


def expected(case: dict[str, Any]) -> str:
    return "ok" if case.get("expect") == "accept" or "code" not in case else case["code"]
