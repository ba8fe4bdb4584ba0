#!/usr/bin/python3
"""The direction of dependencies, as ARCHITECTURE promises: who may include what, what the library
calls and shows, and that every public header stands alone.

LAYERMASK_LIB  the library (default: build/liblayermask.so)
LAYERMASK_CC   the C compiler (default: gcc)
"""
import os
from pathlib import Path
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = Path(os.environ.get("LAYERMASK_LIB", ROOT / "build" / "liblayermask.so"))
COMPILER = shlex.split(os.environ.get("LAYERMASK_CC", "gcc"))
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)

# Rooms of the engine, and what each may include beside itself and the public headers.
PIXELS = {"base", "image"}
ENGINE = {
    "base": set(),
    "image": {"base"},
    "mask": PIXELS,                        # a mask may be a PNG file
    "onnx": {"base"},
    "kernels": {"base"},
    "graph": {"base", "mask", "onnx", "kernels"},
    "ops": {"base", "mask", "onnx", "kernels", "graph"},
    "segment": {"base"},
    "explain": {"base"},
    "render": {"base"},
    "": {"base", "mask", "onnx", "kernels", "graph", "ops"},       # model, session
}
SERVER = {"codec": set(), "cli": {"codec"}, "config": set(), "obs": set(), "store": set(),
          "http": {"obs", "codec"}, "jobs": {"store", "obs", "codec"},
          "api": {"http", "jobs", "store", "config", "obs", "codec"}}
SERVER[""] = set(SERVER)                                           # the programs' own files
# Headers of other libraries: JSON anywhere in the server, these in the engine, each in one file.
JANSSON = "jansson.h"
ENGINE_LIBRARIES = {
    "png.h": "engine/image/png.c",
    "jpeglib.h": "engine/image/jpeg.c",
    "jerror.h": "engine/image/jpeg.c",
    "onnx_subset.pb-c.h": "engine/onnx/unpack.c",
}
C_HEADERS = {"assert", "ctype", "errno", "float", "inttypes", "limits", "locale", "math", "setjmp",
             "stdarg", "stdatomic", "stdbool", "stddef", "stdint", "stdio", "stdlib", "string",
             "time"}
POSIX_HEADERS = {"dirent", "fcntl", "getopt", "netdb", "poll", "pthread", "search", "signal", "strings",
                 "termios", "unistd",
                 "arpa/inet", "netinet/in"}      # and sys/
MACHINE_HEADERS = {"immintrin", "cpuid", "arm_neon"}
# What the engine may never call.
FORBIDDEN = {"printf", "puts", "putchar", "fprintf", "vprintf", "vfprintf", "fputs", "perror",
             "stdout", "stderr", "stdin", "getenv", "secure_getenv", "setenv", "exit", "_exit",
             "quick_exit", "abort", "system", "fork", "execv", "execve", "popen", "socket",
             "pthread_create", "thrd_create", "signal", "sigaction", "rand", "srand", "random",
             "setlocale", "__printf_chk", "__fprintf_chk", "__vfprintf_chk", "dlopen"}
COMPILERS_OWN = {"__cpu_model", "__cpu_features2", "completed.0", "__dso_handle",
                 "__TMC_END__"}


def sources(*folders):
    return sorted(path for folder in folders for suffix in ("*.c", "*.h")
                  for path in (ROOT / folder).rglob(suffix))


def includes(path):
    """(is it in quotes, what) for every include of a file."""
    return [(mark == '"', what) for mark, what in INCLUDE.findall(path.read_text())]


def room(path):
    """The room below engine/ or server/; "" for a file beside the rooms."""
    parts = path.relative_to(ROOT).parts
    return parts[1] if len(parts) > 2 else ""


def included_room(what):
    return what.split("/")[0] if "/" in what else ""


class Includes(unittest.TestCase):
    def test_engine(self):
        for path in sources("engine"):
            self.assertIn(room(path), ENGINE, f"{path}: a room that has no rule here")
            allowed = ENGINE[room(path)] | {room(path), "layermask"}
            for quoted, what in includes(path):
                if quoted and not what.endswith(".pb-c.h"):
                    self.assertIn(included_room(what), allowed, f"{path} includes {what}")

    def test_server(self):
        for path in sources("server"):
            for quoted, what in includes(path):
                self.assertFalse(quoted and included_room(what) in set(ENGINE) - {""},
                                 f"{path}: {what}")
                if room(path) in SERVER:
                    allowed = SERVER[room(path)] | {room(path), "layermask"}
                    self.assertTrue(not quoted or included_room(what) in allowed,
                                    f"{path} includes {what}")

    def test_drawing_rooms_see_pixels_through_the_public_headers(self):
        for path in sources("engine/segment", "engine/explain", "engine/render"):
            for quoted, what in includes(path):
                self.assertNotIn(what, ("layermask/model.h", "layermask/session.h"), path)

    def test_public_headers_include_standard_headers_only(self):
        for path in sources("include"):
            for quoted, what in includes(path):
                if quoted:
                    self.assertTrue((ROOT / "include" / what).exists(), f"{path}: {what}")
                else:
                    self.assertIn(what.removesuffix(".h"), C_HEADERS, path)

    def test_headers_of_other_libraries(self):
        system = C_HEADERS | POSIX_HEADERS | MACHINE_HEADERS
        users = {}
        for path in sources("engine", "server"):
            for quoted, what in includes(path):
                own = quoted and not what.endswith(".pb-c.h")
                name = what.removesuffix(".h")
                if not own and name not in system and not name.startswith("sys/"):
                    users.setdefault(what, []).append(str(path.relative_to(ROOT)))
        for user in users.pop(JANSSON):
            self.assertTrue(user.startswith("server/"), f"{user} includes {JANSSON}")
        for header, files in users.items():
            if header.startswith("nettle/"):                   # hashes, anywhere in the server
                self.assertTrue(all(user.startswith("server/") for user in files), files)
                continue
            self.assertEqual(len(files), 1, f"{header} is included by {files}")
            if files[0].startswith("engine/"):
                self.assertEqual(files[0], ENGINE_LIBRARIES.get(header), header)


class PublicHeaders(unittest.TestCase):
    def compiles(self, command, suffix, text):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"alone{suffix}"
            source.write_text(text)
            done = subprocess.run([*command, "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                                   "-fsyntax-only", "-I", ROOT / "include", source],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)

    def headers(self):
        return [path.relative_to(ROOT / "include") for path in sources("include")]

    def test_in_c(self):
        for header in self.headers():
            with self.subTest(header=header):
                self.compiles([*COMPILER, "-std=c17"], ".c",
                              f'#include "{header}"\n#include "{header}"\nint one;\n')

    def test_in_cpp(self):
        compiler = "clang++" if "clang" in COMPILER[0] else "g++"
        if not shutil.which(compiler):
            self.skipTest(f"{compiler} is not installed")
        for header in self.headers():
            with self.subTest(header=header):
                self.compiles([compiler, "-std=c++17"], ".cc", f'#include "{header}"\nint one;\n')

    def test_umbrella(self):
        umbrella = [what for _, what in includes(ROOT / "include/layermask/layermask.h")]
        for header in self.headers():
            if header.name != "layermask.h":
                self.assertIn(str(header), umbrella)


def symbols(*arguments):
    """(type, name) of the symbols of the library; versions cut off."""
    text = subprocess.run(["nm", *arguments, LIBRARY], check=True, capture_output=True,
                          text=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return [(row[-2], row[-1].split("@")[0]) for row in rows if len(row) >= 2]


@unittest.skipUnless(LIBRARY.exists() and shutil.which("nm"), f"needs nm and {LIBRARY}")
class Symbols(unittest.TestCase):
    def test_calls(self):
        called = {name for _, name in symbols("-D", "--undefined-only")}
        self.assertEqual(called & FORBIDDEN, set())

    def test_shows_what_the_headers_declare(self):
        text = "\n".join(path.read_text() for path in sources("include"))
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        text = re.sub(r"static inline [^{]*\{.*?\n\}", "", text, flags=re.DOTALL)
        text = re.sub(r"typedef [^;]*;", "", text)
        declared = set(re.findall(r"\b(lm_\w+)\(", text))
        shown = {name for kind, name in symbols("-D", "--defined-only") if kind != "A"}
        self.assertEqual({name for name in shown if not name.startswith("__")}, declared)

    def test_keeps_no_writable_state(self):
        """Sessions of all threads share the library."""
        table = subprocess.run(["objdump", "-t", LIBRARY], check=True, capture_output=True,
                               text=True).stdout
        writable = re.findall(r"^[0-9a-f]+ \w? *O \.(?:data|bss)\s+[0-9a-f]+\s+(\S+)$", table,
                              re.MULTILINE)
        if any("asan" in name or "tsan" in name or "ubsan" in name for name in table.split()):
            self.skipTest("sanitizers keep state of their own")
        self.assertEqual(set(writable) - COMPILERS_OWN, set())


class Words(unittest.TestCase):
    """No leftovers, and no folder of the machine it was written on."""
    HOME = re.escape(str(Path.home()).rstrip("/") or "/nowhere")
    PLACE = re.compile(rf"{HOME}/|\b(TODO|FIXME|XXX|HACK)\b")

    def test_words(self):
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z"],
                                capture_output=True)
        if listed.returncode:
            self.skipTest("not a git clone")
        for name in listed.stdout.decode().split("\0"):
            path = ROOT / name
            if not name or not path.is_file() or path == Path(__file__).resolve():
                continue
            data = path.read_bytes()
            if b"\0" in data:
                continue
            found = self.PLACE.search(data.decode(errors="replace"))
            self.assertIsNone(found, f"{name}: {found and found[0]}")


if __name__ == "__main__":
    unittest.main()
