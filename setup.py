"""Builds every .pyx below kv/ as one extension module of the same dotted name.

What only tests import (kv/_core/testing) is built in place, by `make build`, and is in no wheel: a fifth of its size.

KV_BUILD chooses how: release (default), debug (assertions and -O0), asan (debug under
AddressSanitizer and UBSan), coverage (line tracing), none (only what is Python: an editable install would compile
into a folder that it throws away). A change of KV_BUILD rebuilds everything.
"""
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from Cython.Compiler import Options
from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
TESTING = "kv/_core/testing"            # packages.find and exclude-package-data in pyproject.toml name it, too
BUILD = os.environ.get("KV_BUILD", "release")
FLAGS = {
    "release": (["-O3", "-DNDEBUG", "-g1"], []),
    "debug": (["-O0", "-g3", "-DKV_DEBUG"], []),
    "asan": (["-O1", "-g3", "-DKV_DEBUG", "-DKV_ASAN", "-fsanitize=address,undefined",
              "-fno-sanitize-recover=undefined", "-fno-sanitize=alignment", "-fno-omit-frame-pointer"],
             ["-fsanitize=address,undefined"]),
    "coverage": (["-O0", "-g1", "-DCYTHON_TRACE_NOGIL=1"], []),
    "none": ([], []),
}
if BUILD not in FLAGS:
    sys.exit(f"setup.py: KV_BUILD={BUILD!r} is none of {', '.join(FLAGS)}")

COMPILE, LINK = FLAGS[BUILD]
COMPILE = [*COMPILE, "-std=gnu11", "-fno-strict-aliasing", "-fno-semantic-interposition", "-fvisibility=hidden",
           "-Wall", "-Wno-unused-function", "-Wno-unused-label", "-Wno-unused-variable", "-Wno-unused-but-set-variable",
           "-Wno-sign-compare", "-Wno-char-subscripts"]     # what Cython makes of loops and of small numbers

# In a wheel a crash report names frames by file and offset, for which the dynamic symbols do; the rest is a third of its size.
# -static-libgcc: musl's unwinder comes from there, and its shared object may be missing where a wheel is installed.
STRIP = ["-Wl,--strip-all"]
if BUILD == "release":
    LINK = [*LINK, "-static-libgcc"]

Options.fast_fail = True


class BuildExt(build_ext):
    """build_ext that compiles as many modules at once as there are processors."""

    def finalize_options(self):
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count() or 1

    def run(self):
        stamp = Path(self.build_temp) / "KV_BUILD"
        if not stamp.exists() or stamp.read_text() != BUILD:
            self.force = True
        super().run()
        if self.inplace:
            remove_stale(ROOT / "kv")
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(BUILD)


class BuildWheel(build):
    """build that begins with an empty folder: modules that were renamed or removed, and those for tests, are left there
    by builds before, and commands would be found in them. Completions and man pages are made, to be installed below the prefix."""

    def run(self):
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        self.distribution.data_files = host_files(Path(self.build_base) / "host")


def host_files(folder):
    """Write completions and man pages (kv/host/files.py); what is installed where, as distutils has it."""
    sys.path.insert(0, str(ROOT))
    try:
        from kv.host.files import write
    finally:
        sys.path.remove(str(ROOT))
    shutil.rmtree(folder, ignore_errors=True)
    return [(os.path.dirname(path), [str(folder / path)]) for path in write(folder)]


def remove_stale(folder):
    """A module that was renamed or removed would still be imported: packages of commands are listed."""
    for built in folder.glob("**/*.so"):
        if not built.with_name(built.name.partition(".")[0] + ".pyx").exists():
            built.unlink()


def extensions(testing):
    """All of them, or, without `testing`, those of a wheel."""
    for path in sorted(ROOT.glob("kv/**/*.pyx")):
        relative = path.relative_to(ROOT)
        if relative.is_relative_to(TESTING) and not testing:
            continue
        yield Extension(
            ".".join(relative.with_suffix("").parts), [str(relative)],
            include_dirs=["kv/_core/base"],
            depends=[str(p.relative_to(ROOT)) for p in ROOT.glob("kv/_core/base/*.h")],
            extra_compile_args=COMPILE, extra_link_args=LINK if testing or BUILD != "release" else [*LINK, *STRIP])


def cythonized(testing):
    """The extensions, translated to C. Cython's performance hints fail the build: each tells of an exception check, or a
    wait for the interpreter's lock, after every call."""
    with tempfile.TemporaryFile() as told:
        stderr = os.dup(2)
        os.dup2(told.fileno(), 2)       # its worker processes write the hints there
        try:
            modules = cythonize(
                list(extensions(testing)), nthreads=os.cpu_count() or 1, annotate=bool(os.environ.get("KV_ANNOTATE")),
                build_dir="build/cython", show_all_warnings=False, compiler_directives=DIRECTIVES)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            told.seek(0)
            text = told.read().decode(errors="replace")
            sys.stderr.write(text)
    hinted = set(re.findall(r"^performance hint: (\S+?)\.p[yx][xd]:", text, re.M))
    for name in hinted:                 # translated again by the next build, which must fail too
        Path("build/cython", name + ".c").unlink(missing_ok=True)
    if hinted:
        sys.exit("setup.py: mend what Cython's performance hints above say")
    return modules


DIRECTIVES = {
    "language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True,
    "initializedcheck": False, "nonecheck": False, "embedsignature": True, "infer_types": False,
    "freethreading_compatible": False, "linetrace": BUILD == "coverage", "binding": True,
}

if __name__ == "__main__":  # Cython's worker processes read this file too, where they are not forked
    setup(ext_modules=[] if BUILD == "none" else cythonized(testing="--inplace" in sys.argv),
          cmdclass={"build": BuildWheel, "build_ext": BuildExt})
