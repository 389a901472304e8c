"""Tests of what needs no WebAssembly. `wit_world` is what componentize-py writes for editors: the contract's types, and
functions that nobody can call.

    python3 -m unittest discover -t guest-bindings/python -s guest-bindings/python/tests
"""

import atexit
import subprocess
import sys
import tempfile
from pathlib import Path

CONTRACT = Path(__file__).parents[3] / "wit"


def bind() -> None:
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    tool = ["componentize-py", "-q", "-d", str(CONTRACT), "-w", "full", "bindings", folder.name]
    subprocess.run(tool, check=True)
    sys.path.insert(0, folder.name)


bind()
