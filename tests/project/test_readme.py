#!/usr/bin/python3
"""README.md against the product: lists, options, commands that it shows, and its C program.

LAYERMASK_BUILD  build folder (default: build)
LAYERMASK_CC     C compiler (default: gcc)
"""
import json
import os
from pathlib import Path
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LAYERMASK_BUILD", ROOT / "build"))
PROGRAM = BUILD / "layermask"
sys.path.insert(0, str(ROOT / "tests" / "tools"))
import readme_tables  # noqa: E402
COMPILER = shlex.split(os.environ.get("LAYERMASK_CC", "gcc"))
README = (ROOT / "README.md").read_text()
MODEL = ROOT / "config" / "models" / "shapes"
HAS_MODEL = (MODEL / "model.onnx").exists()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands():
    """Command lines of the program that the README shows."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if "build/layermask " in line]


def run(arguments):
    return subprocess.run([PROGRAM, *arguments], cwd=ROOT, capture_output=True, text=True)


def members(value):
    """Every key of a JSON value, with its path."""
    if isinstance(value, dict):
        return {key for key in value}.union(*[{f"{key}.{m}" for m in members(v)}
                                              for key, v in value.items()])
    return set().union(*[members(v) for v in value]) if isinstance(value, list) else set()


class Readme(unittest.TestCase):
    def test_lists(self):
        self.assertEqual(readme_tables.filled(README), README,
                         "run tests/tools/readme_tables.py")

    def test_files_that_it_names(self):
        names = re.findall(r"`((?:config|docs|tests|include)/[\w./]+)`|\]\(([\w./]+)\)", README)
        for name in [a or b for a, b in names]:
            if HAS_MODEL or name != "docs/overlay.png":
                self.assertTrue((ROOT / name).exists(), name)

    def test_make_targets(self):
        known = subprocess.run(["make", "-s", "-C", ROOT, "help"], capture_output=True, text=True,
                               env={k: v for k, v in os.environ.items() if "MAKE" not in k}).stdout
        for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)):
            self.assertRegex(known, rf"make {target} ", target)

    def test_options(self):
        """Options in the reference are options, and all that commands in it use are."""
        reference = re.search(r"^## Command line\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)[1]
        used = [(line.split()[1], re.findall(r"--[a-z-]+", line))
                for line in reference.splitlines() if line.startswith("    layermask")]
        used += [(line[1], [word for word in line if word.startswith("--")])
                 for line in commands()]
        for command, options in used:
            known = re.findall(r"--[a-z-]+", run([command, "--help"]).stdout)
            self.assertLessEqual(set(options), set(known), command)

    @unittest.skipUnless(HAS_MODEL, "the embedded model is not there")
    def test_commands(self):
        own = [line for line in commands() if "config/models/shapes" in line]
        self.assertGreater(len(own), 3)
        for line in own:
            done = run(line[1:])
            self.assertEqual((done.returncode, done.stderr), (0, ""), line)

    @unittest.skipUnless(HAS_MODEL, "the embedded model is not there")
    def test_json(self):
        """The answers shown have the members that answers have."""
        shown = [json.loads(block) for block in blocks("json")]
        example = MODEL / "examples" / "star.png"
        options = {"predict": [], "explain": ["-", "--samples", "20"]}
        for command, answer in zip(options, [a for a in shown if "model_version" in a]):
            done = run([command, "--model", MODEL, example, "--json", *options[command]])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(members(json.loads(done.stdout)), members(answer), command)

    def test_model_json(self):
        shown = next(json.loads(b) for b in blocks("json") if '"resize_shorter"' in b)
        real = json.loads((MODEL / "model.json").read_text())
        self.assertLessEqual(members(shown), members(real))

    def test_c_program(self):
        source = blocks("c")[0]
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "classify"
            (Path(folder) / "classify.c").write_text(source)
            flags = subprocess.run(["pkg-config", "--libs", "libprotobuf-c", "libjpeg", "libpng"],
                                   capture_output=True, text=True).stdout.split()
            built = (BUILD / "flags").read_text().split()
            flags += [flag for flag in built if flag.startswith("-fsanitize")]
            done = subprocess.run([*COMPILER, "-std=c17", "-Wall", "-Wextra", "-Werror", "-I",
                                   ROOT / "include", f"{program}.c", "-o", program,
                                   BUILD / "liblayermask.a", *flags, "-lm"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            if not HAS_MODEL:
                self.skipTest("the embedded model is not there: compiled, not run")
            done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(len([float(line) for line in done.stdout.split()]), 10)


if __name__ == "__main__":
    unittest.main()
