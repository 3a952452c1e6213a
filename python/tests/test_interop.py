"""Agents in Node.js and in Python, over HTTP, both ways: the example of the repository checks itself."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "python" / "main.py"


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js here")
@pytest.mark.skipif(not (ROOT / "dist" / "http.mjs").exists(), reason="the package for Node.js is not built here")
def test_agents_in_node_and_python_call_each_other():
    environment = {name: value for name, value in os.environ.items() if name not in ("HTTP_PROXY", "http_proxy")}
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "there and back     all that is known of keys (1, 2, 3)" in done.stdout
    assert "in parts           D I D" in done.stdout
    assert done.stdout.endswith("All as expected.\n")
