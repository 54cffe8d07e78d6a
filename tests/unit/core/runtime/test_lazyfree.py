"""Freeing in another thread: the figures, the memory, and what a fork does to it."""
import os
import subprocess
import sys

import pytest

from kv._core.testing import memory, runtime


@pytest.fixture(autouse=True)
def quiet():
    runtime.lazyfree_finish()
    runtime.lazyfree_reset()
    yield
    runtime.lazyfree_finish()


@pytest.mark.parametrize("length", [5, 500, 100000])
def test_an_entry_is_freed_and_counted(length):
    before = memory.used()
    runtime.lazyfree_a_string(b"key", b"x" * length)
    runtime.lazyfree_finish()
    assert runtime.lazyfree_figures() == (0, 1)
    assert memory.used() == before


@pytest.mark.parametrize("count", [0, 1, 100, 50000])
def test_a_table_is_freed_with_its_elements(count):
    before = memory.used()
    runtime.lazyfree_strings(count, 30)
    runtime.lazyfree_finish()
    assert runtime.lazyfree_figures() == (0, count)
    assert memory.used() == before


def test_many_jobs_are_done_in_turn():
    before = memory.used()
    for number in range(200):
        runtime.lazyfree_a_string(b"key:%d" % number, b"x" * 2000)
        runtime.lazyfree_strings(number, 1)
    pending, freed = runtime.lazyfree_figures()
    assert 0 <= pending <= 200 + sum(range(200))
    runtime.lazyfree_finish()
    assert runtime.lazyfree_figures() == (0, 200 + sum(range(200)))
    assert memory.used() == before


@pytest.mark.skipif(memory.SANITIZED, reason="its allocator may stay locked in the child")
def test_a_forked_child_waits_for_nobody_and_can_free_for_itself():
    for _ in range(10):
        runtime.lazyfree_strings(5000, 10)      # the thread is at it, or has more to do, while we fork
        child = os.fork()
        if child == 0:
            status = 1
            try:
                runtime.lazyfree_finish()       # what the parent queued is the parent's
                if runtime.lazyfree_figures()[0] == 0:
                    runtime.lazyfree_strings(100, 10)
                    runtime.lazyfree_finish()
                    status = 0 if runtime.lazyfree_figures()[0] == 0 else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_process_ends_while_the_thread_is_busy():
    program = ("from kv._core.testing import runtime\n"
               "for _ in range(5): runtime.lazyfree_strings(20000, 20)\n")
    done = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
