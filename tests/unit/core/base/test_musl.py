"""The core with musl's C library, as Alpine has it: it compiles, and what clibrary.h has in place of GNU's functions works.

Modules that ask for headers beside ISO C's are compiled; KV_MUSL_ALL=1 has all of them compiled, a minute's work.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.program import ROOT

pytestmark = pytest.mark.skipif(shutil.which("musl-gcc") is None, reason="needs musl-gcc (Debian's musl-tools)")
BASE = ROOT / "kv" / "_core" / "base"
GENERATED = ROOT / "build" / "cython"
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-fPIC", "-Wall", "-Wno-unused", "-Werror=implicit-function-declaration",
         "-Werror=incompatible-pointer-types"]
ISO = {"ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h",
       "string.h", "time.h", "stdatomic.h", "stdalign.h", "threads.h"}

PROGRAM = r"""
#include <link.h>
#include <sys/wait.h>
#include "platform.h"
#include "clock.h"

#define CHECK(condition) do { if (!(condition)) { printf("%d: %s\n", __LINE__, #condition); return 1; } } while (0)

/* Debian's libgcc was made for glibc, which it asks where a module's table for unwinding is; Alpine's walks the modules itself. */
struct dl_find_object { unsigned long long flags; void *start, *end, *map, *table, *reserved[7]; };

static int of_module(struct dl_phdr_info *module, size_t size, void *argument) {
    struct dl_find_object *wanted = argument;
    void *table = NULL;
    int within = 0;
    (void)size;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &module->dlpi_phdr[i];
        char *start = (char *)module->dlpi_addr + header->p_vaddr;
        char *end = start + header->p_memsz, *at = wanted->start;
        if (header->p_type == PT_LOAD && at >= start && at < end) within = 1;
        if (header->p_type == PT_GNU_EH_FRAME) table = start;
    }
    if (!within) return 0;
    wanted->table = table;
    return 1;
}

int _dl_find_object(void *at, struct dl_find_object *found) {
    found->start = at;
    found->table = NULL;
    return dl_iterate_phdr(of_module, found) && found->table != NULL ? 0 : -1;
}

static KV_THREAD int of_thread;
static void *frames[64];
static kv_place place;
static int count, carried, found;

static int by_number(const void *a, const void *b, void *calls) {
    ++*(int *)calls;
    return *(const int *)a - *(const int *)b;
}

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)number; (void)context;
    carried = info->si_code == SI_QUEUE && info->si_pid == getpid() && info->si_value.sival_ptr == &carried;
}

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)number; (void)info;
#if defined(__x86_64__)
    void *at = (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    void **stack = (void **)((ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
#else
    void *at = (void *)((ucontext_t *)context)->uc_mcontext.pc;
    void **stack = (void **)((ucontext_t *)context)->uc_mcontext.sp;
#endif
    count = kv_backtrace(frames, 64, at, stack);
}

__attribute__((noinline)) int outermost(int in_library);

__attribute__((noinline)) void raises(int in_library) {
    if (in_library) raise(SIGUSR2);                 /* the signal comes in the middle of musl's code */
    else { __asm__ volatile("" ::: "memory"); kill(getpid(), SIGUSR2); }
    __asm__ volatile("" ::: "memory");
}

/* Whether the trace has a frame of this function, by its addresses. */
__attribute__((noinline)) int outermost(int in_library) {
    count = 0;
    raises(in_library);
    for (int i = 0; i < count; i++)
        if ((char *)frames[i] > (char *)outermost && (char *)frames[i] < (char *)outermost + 400) return 1;
    return 0;
}

int main(void) {
    int items[1000], calls = 0, status;
    size_t holes, chunks, top;
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    for (int i = 0; i < 1000; i++) items[i] = (i * 7919) % 1000 - 500;
    kv_sort(items, 1000, sizeof(int), by_number, &calls);
    for (int i = 0; i < 1000; i++) CHECK(items[i] == i - 500);
    CHECK(calls >= 999 && calls < 40000);
    kv_sort(items, 0, sizeof(int), by_number, &calls);
    kv_sort(items, 1, sizeof(int), by_number, &calls);
    kv_heap_figures(&holes, &chunks, &top);
    CHECK(holes == 0 && chunks == 0 && top == 0);
    kv_heap_trim();
    CHECK(kv_thread_id() == getpid() && of_thread == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    kv_signal_self(SIGUSR1, &carried);
    CHECK(carried);
    action.sa_sigaction = on_fault;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    CHECK(outermost(0));
    CHECK(outermost(1));
    CHECK(kv_place_of((char *)outermost + 1, &place) && strstr(place.file, "program") != NULL && place.offset > 0);
    CHECK(strcmp(place.name, "outermost") == 0 && place.past_name == 1);
    CHECK(!kv_place_of((void *)16, &place));
    CHECK(kv_clock_unix_us() > 0 && kv_clock_measure_ticks_per_us() > 0 && kv_mulhi(1ull << 63, 4) == 2);
    if (fork() == 0) kv_panic("on purpose");
    CHECK(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    puts("all is well");
    return 0;
}
"""


def modules() -> list[Path]:
    everything = [path.with_suffix(".pyx").relative_to(GENERATED) for path in GENERATED.glob("kv/**/*.c")]
    sources = [GENERATED / path.with_suffix(".c") for path in everything if (ROOT / path).exists()]
    if os.environ.get("KV_MUSL_ALL"):
        return sources
    return [path for path in sources if asked_for(path)]


def asked_for(path: Path) -> set[str]:
    """The headers that a module itself asks for, beside those of ISO C and of the core."""
    own = path.read_text(errors="replace").partition("/* Early includes */")[2].partition("#ifdef _OPENMP")[0]
    return set(re.findall(r'^\s*#\s*include\s*[<"]([\w/.]+)', own, re.M)) - ISO - {"platform.h", "clock.h", "pythread.h"}


def compiled(path: Path) -> str:
    ran = subprocess.run(["musl-gcc", "-fsyntax-only", *FLAGS, f"-I{sysconfig.get_path('include')}", f"-I{BASE}", str(path)],
                         capture_output=True, text=True)
    return ran.stderr if ran.returncode else ""


def test_modules_compile() -> None:
    found = modules()
    if not found:
        pytest.skip("needs what Cython made of the modules, in build/cython")
    assert len(found) > 20
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = [text for text in pool.map(compiled, found) if text]
    assert not failed, "\n".join(failed)


def test_what_stands_in_for_gnu_functions_works(tmp_path: Path) -> None:
    source, program = tmp_path / "program.c", tmp_path / "program"
    source.write_text("#include <ucontext.h>\n" + PROGRAM)
    subprocess.run(["musl-gcc", *FLAGS, "-Wno-address", "-O1", "-fno-optimize-sibling-calls", "-funwind-tables", f"-I{BASE}",
                    str(source), "-o", str(program), "-static-libgcc", "-rdynamic", "-Wl,--eh-frame-hdr"], check=True)
    ran = subprocess.run([program], capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stdout) == (0, "all is well\n"), ran.stdout + ran.stderr
    assert "Guru Meditation: on purpose" in ran.stderr
