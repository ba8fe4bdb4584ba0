#!/usr/bin/python3
"""Writes the README's lists: operators, networks and options, from the library, the parity zoo and the
daemon.

    tests/tools/readme_tables.py [--check]

--check changes nothing, and fails if README.md is not what would be written.
LAYERMASK_LIB: the library (default: build/liblayermask.so); the daemon is beside it.
"""
import ctypes
import os
from pathlib import Path
import re
import subprocess
import sys
import textwrap

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = os.environ.get("LAYERMASK_LIB", str(ROOT / "build" / "liblayermask.so"))
README = ROOT / "README.md"


def operators():
    library = ctypes.CDLL(LIBRARY)
    library.lm_operator_supported.restype = ctypes.c_char_p
    library.lm_operator_supported.argtypes = [ctypes.c_uint32]
    found = []
    while (name := library.lm_operator_supported(len(found))) is not None:
        found.append(name.decode())
    return sorted(found)


def networks():
    """The zoo's list, read as text: the module itself needs numpy."""
    text = (ROOT / "tests" / "golden" / "zoo_parity.py").read_text()
    return sorted(re.search(r'^ZOO = """(.*?)"""', text, re.DOTALL | re.MULTILINE)[1].split())


def paragraph(names):
    text = ", ".join(f"`{name}`" for name in names) + "."
    return "\n".join(textwrap.wrap(text, 99, break_long_words=False, break_on_hyphens=False))


def options():
    daemon = Path(LIBRARY).with_name("layermaskd")
    shown = subprocess.run([daemon, "--help"], capture_output=True, text=True, check=True, env={})
    return f"```text\n{shown.stdout}```"


def filled(readme):
    for mark, text in (("operators", paragraph(operators())), ("networks", paragraph(networks())),
                       ("options", options())):
        readme = re.sub(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)",
                        lambda m, text=text: f"{m[1]}{text}\n{m[2]}", readme, flags=re.DOTALL)
    return readme


def main():
    text = README.read_text()
    wanted = filled(text)
    if "--check" in sys.argv[1:]:
        sys.exit(text != wanted and "README.md: out of date; run tests/tools/readme_tables.py")
    README.write_text(wanted)


if __name__ == "__main__":
    main()
