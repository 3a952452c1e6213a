"""Agents in Node.js and in Python, over HTTP and NATS, both ways: the examples of the repository check themselves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from brokers import nats_server

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "python"


@pytest.mark.skipif(not shutil.which("node"), reason="there is no Node.js here")
@pytest.mark.parametrize(("example", "package"), [("main.py", "http"), ("over_nats.py", "nats")])
def test_agents_in_node_and_python_call_each_other(example, package):
    if not (ROOT / "dist" / f"{package}.mjs").exists():
        pytest.skip("the package for Node.js is not built here")
    environment = {name: value for name, value in os.environ.items() if name not in ("HTTP_PROXY", "http_proxy")}
    if package == "nats":
        environment["NATS_SERVER"] = nats_server()
    command = [sys.executable, str(EXAMPLES / example)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "there and back     all that is known of keys (1, 2, 3)" in done.stdout
    assert "in parts           D I D" in done.stdout
    assert done.stdout.endswith("All as expected.\n")
