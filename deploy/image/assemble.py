"""Makes the root file system of the image: what the server needs to run, and nothing else.

    python3 deploy/image/assemble.py /rootfs

It is made of the Python that runs this script: the interpreter, its standard library, the packages `kv`, `lupa` and
`prompt_toolkit` as they are installed for it, and the shared libraries that all of these are linked with. The Dockerfile's
builder runs it after `pip install`, the image's test (tests/integration/test_image.py) runs it in place; what is tested is so
what is shipped.

    /usr/local/bin        kv-* with their valkey- and redis- names, python3
    /usr/local/lib        the standard library, and in it the packages: Python finds them without its module `site`, which
                          takes longer to start than it is worth here
    /usr/lib              shared libraries, where the loader looks by itself
    /usr/bin              a static busybox: sh, grep, id, ... for probes and for who comes by `docker exec`
    /usr/share/doc        the licences of what is in here

Bytecode is written without a time or a check of it: the root file system is read-only, and tools that copy it may change
times. What is for tests, for building or for a desktop is left out, and all code is stripped of symbols for debuggers.

Beside the interpreter this needs glibc 2.34 (which looks up names without plug-ins of a version of its own), `ldd`, `strip`
and Debian's busybox-static.
"""
from __future__ import annotations

import argparse
import compileall
import importlib.metadata
import importlib.util
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

# Packages, each with the distribution that it is of.
PACKAGES = {"kv": "hanzo-kv-server", "lupa": "lupa", "prompt_toolkit": "prompt_toolkit", "wcwidth": "wcwidth"}
USER, UID, GID = "kv", 999, 1000        # those of Valkey's image, so that its volumes can be taken over as they are
FAMILIES = ("valkey", "redis")          # of names that each kv-* program has, too
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"

# Of the standard library, as glob patterns below it: tests, what builds and installs packages, what needs a desktop or a
# database that is not here, and tools of who writes programs.
LEFT_OUT = (
    "site-packages", "dist-packages", "*__pycache__", "config-*", "test", "idlelib", "tkinter", "turtle.py", "turtledemo",
    "ensurepip", "venv", "lib2to3", "distutils", "pydoc_data", "pydoc.py", "unittest", "doctest.py", "pdb.py", "sqlite3",
    "dbm", "wsgiref", "xmlrpc", "curses", "ctypes/test", "_pyrepl", "msilib", "_sysconfigdata_*", "*/test", "*/tests",
    "this.py", "antigravity.py", "_aix_support.py", "_osx_support.py", "_ios_support.py", "_android_support.py",
    "mailbox.py", "imaplib.py", "nntplib.py", "poplib.py", "smtplib.py", "smtpd.py", "telnetlib.py", "ftplib.py",
    "profiling", "cProfile.py", "profile.py", "pstats.py", "trace.py", "zipapp.py", "LICENSE.txt", "xml/sax",
    "html", "http", "xml/etree", "multiprocessing", "zoneinfo", "webbrowser.py", "cgi.py", "cgitb.py", "plistlib.py",
    "optparse.py", "rlcompleter.py", "pickletools.py", "modulefinder.py", "pyclbr.py",
    "tarfile.py", "_pydecimal.py", "_pyio.py", "imghdr.py", "sndhdr.py",
    "aifc.py", "wave.py", "sunau.py", "chunk.py", "uu.py", "xdrlib.py", "pipes.py", "timeit.py", "tabnanny.py",
    *(f"lib-dynload/{name}.*" for name in (
        "_test*", "_ctypes_test*", "xx*", "_xx*", "_tkinter*", "_sqlite3*", "_dbm*", "_gdbm*", "_curses*", "_crypt*",
        "nis*", "ossaudiodev*", "spwd*", "audioop*", "_codecs_cn*", "_codecs_hk*", "_codecs_iso2022*", "_codecs_jp*",
        "_codecs_kr*", "_codecs_tw*", "_lsprof*", "_remote_debugging*", "readline*", "_elementtree*", "_uuid*",
        "_multiprocessing*", "_posixshmem*", "_interp*", "_zoneinfo*")),
)
# Of the packages: what only builds them, and what this server has no use for.
LEFT_OUT_OF_PACKAGES = (
    "*__pycache__", "*.pyx", "*.pxd", "*.pyi", "*.h", "*.c", "py.typed", "_core/testing", "embedded", "fake", "contrib",
    "_wcwidth_c*", "lua52.*", "lua53.*", "lua54.*", "lua55.*", "luajit*",
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Makes the image's root file system.")
    parser.add_argument("root", type=Path, help="the folder to make, which must not exist")
    root = parser.parse_args().root
    root.mkdir(parents=True)
    root.chmod(0o755)
    make_folders(root)
    add_python(root)
    add_packages(root)
    sources = [*add_libraries(root), sys.executable, add_busybox(root), *add_system_files(root)]
    add_programs(root)
    add_licences(root, sources)
    strip(binaries(root))
    compile_all(root)
    return 0


def make_folders(root: Path) -> None:
    """As they are in distributions today: /bin, /lib and /sbin are links to those below /usr."""
    for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "usr/local/lib", "usr/share/doc", "etc",
                 "proc", "sys", "dev", "run", "var"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "var/run").symlink_to("/run")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


# -- Python -------------------------------------------------------------------------------------------------------------

def library(root: Path) -> Path:
    return root / "usr/local/lib" / VERSION


def add_python(root: Path) -> None:
    folder = root / "usr/local/bin"
    interpreter = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    shutil.copy2(interpreter, folder / VERSION)
    for name in ("python3", "python"):
        (folder / name).symlink_to(VERSION)
    for kind in ("stdlib", "platstdlib"):
        source = Path(sysconfig.get_path(kind, vars={"base": sys.base_prefix, "platbase": sys.base_exec_prefix,
                                                      "installed_base": sys.base_prefix,
                                                      "installed_platbase": sys.base_exec_prefix}))
        copy_tree(source, library(root), LEFT_OUT)


def add_packages(root: Path) -> None:
    for name, distribution in PACKAGES.items():
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            sys.exit(f"assemble.py: the package {name} is not installed for {sys.executable}")
        source = Path(spec.submodule_search_locations[0])
        copy_tree(source, library(root) / name, LEFT_OUT_OF_PACKAGES)
        vendored = source.with_name(name + ".libs")     # where auditwheel puts libraries that a wheel brings
        if vendored.is_dir():
            copy_tree(vendored, library(root) / vendored.name, ())
        add_metadata(root, importlib.metadata.distribution(distribution))


def add_metadata(root: Path, distribution: importlib.metadata.Distribution) -> None:
    """Name, version and licences, for scanners and for modules that ask for their own version; not where it was built."""
    for file in distribution.files or ():
        if ".dist-info" in file.parts[0] and file.name not in ("RECORD", "direct_url.json", "INSTALLER", "REQUESTED"):
            target = library(root) / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file.locate(), target)


def copy_tree(source: Path, target: Path, left_out: Iterable[str]) -> None:
    """All files but those that a pattern names: a path below `source`, or, where it begins with a star, the end of one."""
    patterns = list(left_out)

    def ignored(folder: str, names: list[str]) -> set[str]:
        below = Path("/", Path(folder).relative_to(source))
        return {name for name in names
                if any((below / name).match(pattern if pattern.startswith("*") else "/" + pattern) for pattern in patterns)}

    shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)


def compile_all(root: Path) -> None:
    """Our own modules keep their source, for tracebacks; the others are bytecode alone."""
    folder = library(root)
    own = folder / "kv"
    for legacy in (False, True):
        done = compileall.compile_dir(
            own if not legacy else folder, maxlevels=20, quiet=1, stripdir=str(root), prependdir="/", workers=0,
            legacy=legacy, rx=re.compile("/kv/") if legacy else None,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        if not done:
            sys.exit("assemble.py: some modules can't be compiled")
    for path in folder.rglob("*.py"):
        if not path.is_relative_to(own):
            path.unlink()


# -- what is not Python -------------------------------------------------------------------------------------------------

def binaries(root: Path) -> Iterator[Path]:
    """The ELF files of this root file system."""
    for path in sorted((root / "usr").rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def add_libraries(root: Path) -> Iterable[str]:
    """The shared libraries, each below its own name, where the loader looks whatever the distribution; the loader itself
    where the interpreter names it. Their paths here."""
    text = subprocess.run(["ldd", *map(str, binaries(root))], capture_output=True, text=True).stdout
    found = dict.fromkeys(re.findall(r"^\s*(\S+) => not found", text, re.M), "")
    found.update(re.findall(r"^\s*(\S+) => (/\S+) \(", text, re.M))
    found.update((loader, loader) for loader in re.findall(r"^\s*(/\S+) \(", text, re.M))
    for name, source in sorted(found.items()):
        if not source:
            sys.exit(f"assemble.py: the shared library {name} is not here")
        target = root / "usr/lib" / name if "/" not in name else root / name.lstrip("/")
        if not source.startswith(str(root)):            # else a wheel's own library, which lies beside what needs it
            shutil.copy2(os.path.realpath(source), target)
    return found.values()


def strip(paths: Iterable[Path]) -> None:
    """In place: modes stay, but for what nobody may write to."""
    modes = {path: path.stat().st_mode for path in paths}
    for path in modes:
        path.chmod(0o755)
    subprocess.run(["strip", "--strip-unneeded", *map(str, modes)], check=True)
    for path, mode in modes.items():
        path.chmod(mode & 0o7755)


def add_busybox(root: Path) -> str:
    """With a link for each of its programs; its path here."""
    found = shutil.which("busybox")
    if found is None:
        sys.exit("assemble.py: there is no busybox (apt-get install busybox-static)")
    target = root / "usr/bin/busybox"
    shutil.copy2(os.path.realpath(found), target)
    applets = subprocess.run([str(target), "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name in applets:
        if not (root / "usr/bin" / name).exists():
            (root / "usr/bin" / name).symlink_to("busybox")
    return found


def add_programs(root: Path) -> None:
    """Those that the distribution states. The server is the entry point of other images, too."""
    folder = root / "usr/local/bin"
    programs = importlib.metadata.distribution(PACKAGES["kv"]).entry_points.select(group="console_scripts")
    for program in programs:
        path = folder / program.name
        path.write_text(f"#!/usr/local/bin/python3 -IS\nimport sys\n\nfrom {program.module} import {program.attr}\n\n"
                        f"sys.exit({program.attr}())\n")
        path.chmod(0o755)
        _, _, rest = program.name.partition("kv-")
        for family in FAMILIES if rest else ():
            (folder / f"{family}-{rest}").symlink_to(program.name)
    (folder / "docker-entrypoint.sh").symlink_to("kv-server")


def add_system_files(root: Path) -> list[str]:
    """The user, how names are looked up, and time zones for who sets TZ. Paths of them here."""
    files = {
        "passwd": f"root:x:0:0:root:/root:/bin/sh\n{USER}:x:{UID}:{GID}:Hanzo KV:/tmp:/bin/sh\n"
                  "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
        "group": f"root:x:0:\n{USER}:x:{GID}:\nnogroup:x:65534:\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    }
    for name, text in files.items():
        (root / "etc" / name).write_text(text)
    release = Path("/etc/os-release")
    if release.exists():        # of the distribution that the libraries are from: scanners ask
        shutil.copy2(release, root / "etc/os-release")
    zones = Path("/usr/share/zoneinfo")
    if not zones.is_dir():
        sys.exit("assemble.py: there are no time zones (apt-get install tzdata)")
    shutil.copytree(zones, root / "usr/share/zoneinfo", symlinks=True,
                    ignore=shutil.ignore_patterns("right", "posix", "posixrules", "localtime", "*.zi", "leap*"))
    return ["/etc/os-release", "/usr/share/zoneinfo/UTC"]


def add_licences(root: Path, sources: Iterable[str]) -> None:
    """Of the Debian packages that files are from: copyright, and the entry by which scanners know the version. Those of the
    Python packages are in their .dist-info."""
    licence = Path(sysconfig.get_path("stdlib")) / "LICENSE.txt"
    if licence.exists():
        (root / "usr/share/doc" / VERSION).mkdir()
        shutil.copy2(licence, root / "usr/share/doc" / VERSION)
    if shutil.which("dpkg-query") is None:
        return
    entries = root / "var/lib/dpkg/status.d"
    entries.mkdir(parents=True)
    for package in sorted(debian_packages(sources)):
        notice = Path("/usr/share/doc", package, "copyright")
        if notice.exists():
            (root / "usr/share/doc" / package).mkdir()
            shutil.copy2(notice, root / "usr/share/doc" / package)
        ran = subprocess.run(["dpkg-query", "--status", package], check=True, capture_output=True, text=True)
        (entries / package).write_text(ran.stdout)


def debian_packages(sources: Iterable[str]) -> set[str]:
    """The packages that these files are of, as far as they are of any. dpkg knows some files by a name below /lib or /bin that
    is below /usr by now."""
    names = {name for source in sources for name in (source, source.removeprefix("/usr"), os.path.realpath(source),
                                                     os.path.realpath(source).removeprefix("/usr"))}
    ran = subprocess.run(["dpkg-query", "--search", *sorted(names)], capture_output=True, text=True)
    return {line.partition(":")[0] for line in ran.stdout.splitlines()
            if not line.startswith("diversion ") and line.rpartition(": ")[2] in names}


if __name__ == "__main__":
    sys.exit(main())
