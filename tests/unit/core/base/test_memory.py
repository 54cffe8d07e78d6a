"""The allocator: what it hands out, what it counts, what it gives back."""
import json
import os
import random
import subprocess
import sys
import threading

import pytest

from kv._core.testing import memory

PAGE = 1 << 16
SMALL = [1, 7, 8, 9, 24, 40, 64, 100, 255, 256, 257, 300, 512, 513, 1000, 1024, 1025, 2000, 2048, 2049, 4000,
         4096, 4097, 5000, 8192, 8193, 10_000, 16_383, 16_384]
LARGE = [16_385, 20_000, 65536, 1 << 20]

slabs_only = pytest.mark.skipif(memory.SANITIZED, reason="under a sanitizer every block is malloc's own")


def free_elsewhere(blocks):
    """Free blocks from a thread that does not own the allocator."""
    def run():
        memory.enter_thread()
        memory.free_all(blocks)
    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("size", [0, *SMALL, *LARGE])
def test_a_block_is_large_enough_aligned_and_counted(size):
    before = memory.used()
    block = memory.alloc(size)
    assert memory.size(block) >= size
    assert block % 8 == 0
    assert memory.used() - before >= memory.size(block)
    assert memory.used() - before <= memory.size(block) + 8
    memory.fill(block, 0xa5, memory.size(block))
    memory.free(block)
    assert memory.used() == before


@pytest.mark.parametrize("size", [64, 128, 192, 512, 1024, 4096, 8192, 1 << 17])
def test_multiples_of_a_cache_line_are_aligned_to_it(size):
    blocks = [memory.alloc(size) for _ in range(100)]
    assert all(block % 64 == 0 for block in blocks)
    for block in blocks:
        memory.free(block)


@slabs_only
@pytest.mark.parametrize("size", SMALL)
def test_no_small_block_wastes_more_than_an_eighth(size):
    held = memory.class_size(size)
    assert size <= held <= max(size + 7, size * 9 / 8)
    block = memory.alloc(size)
    assert memory.size(block) == held
    memory.free(block)


def test_calloc_clears_what_was_used_before():
    blocks = [memory.alloc(200) for _ in range(50)]
    for block in blocks:
        memory.fill(block, 0xff, 200)
        memory.free(block)
    for _ in range(50):
        assert memory.content(memory.calloc(200), 200) == bytes(200)


def test_freeing_nothing_is_allowed():
    before = memory.used()
    memory.free(0)
    assert memory.used() == before


@pytest.mark.parametrize("old", [1, 24, 100, 256, 1000, 4096, 4097, 100000])
@pytest.mark.parametrize("new", [1, 24, 30, 256, 1024, 4096, 5000, 8192, 200000])
def test_realloc_keeps_the_content_and_the_count(old, new):
    before = memory.used()
    block = memory.alloc(old)
    kept = bytes(number % 251 for number in range(min(old, new)))
    for at, byte in enumerate(kept[:300]):
        memory.fill(block + at, byte, 1)
    moved = memory.realloc(block, new)
    assert memory.size(moved) >= new
    assert memory.content(moved, len(kept[:300])) == kept[:300]
    assert new % 64 or moved % 64 == 0
    memory.free(moved)
    assert memory.used() == before


def test_realloc_of_nothing_allocates():
    block = memory.realloc(0, 50)
    assert memory.size(block) >= 50
    memory.free(block)


@slabs_only
def test_realloc_within_its_class_stays_in_place():
    block = memory.alloc(41)
    assert memory.realloc(block, 48) == block
    memory.free(block)


def test_blocks_do_not_overlap():
    """Many blocks of all sizes, each with its own content, freed and taken again at random."""
    dice = random.Random(7)
    before = memory.used()
    live = {}
    for step in range(20000):
        if live and dice.random() < 0.45:
            block = next(iter(live)) if dice.random() < 0.5 else next(reversed(live))
            length, byte = live.pop(block)
            assert memory.content(block, length) == bytes([byte]) * length
            memory.free(block)
        else:
            length = dice.choice(SMALL) if dice.random() < 0.98 else dice.choice(LARGE)
            block = memory.alloc(length)
            assert block not in live
            memory.fill(block, step % 256, length)
            live[block] = (length, step % 256)
    for block, (length, byte) in live.items():
        assert memory.content(block, length) == bytes([byte]) * length
        memory.free(block)
    assert memory.used() == before


@slabs_only
def test_emptied_pages_serve_other_sizes_and_go_back_to_the_system():
    before = memory.slab_bytes()
    blocks = [memory.alloc(48) for _ in range(200000)]
    peak = memory.slab_bytes()
    assert peak - before >= 200000 * 48 - PAGE
    for block in blocks:
        memory.free(block)
    assert memory.slab_bytes() <= before + PAGE
    others = [memory.alloc(1000) for _ in range(5000)]
    assert memory.slab_bytes() < peak
    for block in others:
        memory.free(block)
    assert memory.purge() > 100 * PAGE
    assert memory.purge() == 0


@slabs_only
def test_a_purged_page_is_good_again():
    blocks = [memory.alloc(512) for _ in range(20000)]
    for block in blocks:
        memory.free(block)
    memory.purge()
    blocks = [memory.alloc(512) for _ in range(20000)]
    for number, block in enumerate(blocks):
        memory.fill(block, number % 256, 512)
    assert all(memory.content(block, 512) == bytes([number % 256]) * 512 for number,
               block in enumerate(blocks))
    for block in blocks:
        memory.free(block)


@pytest.mark.parametrize("size", [24, 500, 4096, 10000, 20_000])
def test_frees_from_another_thread_are_counted_at_once(size):
    before = memory.used()
    blocks = [memory.alloc(size) for _ in range(3000)]
    assert memory.used() > before
    free_elsewhere(blocks).join()
    assert memory.used() == before


@slabs_only
@pytest.mark.parametrize("keep", [0, 1, 2, 50])
def test_frees_from_another_thread_are_taken_over(keep):
    """Whether pages are freed whole (keep 0) or in part, alone or by both threads."""
    before = memory.slab_bytes()
    blocks = [memory.alloc(120) for _ in range(60000)]
    peak = memory.slab_bytes()
    kept = blocks[::keep] if keep else []
    for block in kept:
        memory.fill(block, 0x3c, 120)
    gone = sorted(set(blocks) - set(kept))
    for block in gone[::3]:
        memory.free(block)
    free_elsewhere([block for number, block in enumerate(gone) if number % 3]).join()
    memory.purge()
    if not keep:
        assert memory.slab_bytes() <= before + 2 * PAGE
    again = [memory.alloc(120) for _ in range(len(gone))]
    assert memory.slab_bytes() <= peak + PAGE
    assert not set(again) & set(kept)
    assert len(set(again)) == len(again)
    for block in again:
        memory.fill(block, 0xc3, 120)
    assert all(memory.content(block, 120) == b"\x3c" * 120 for block in kept)
    for block in again + kept:
        memory.free(block)
    assert memory.slab_bytes() <= before + 2 * PAGE


@slabs_only
def test_a_full_page_whose_blocks_another_thread_frees_is_used_without_a_purge():
    """The page that its class allocates from takes such blocks over when it runs dry."""
    memory.purge()
    blocks = [memory.alloc(4096) for _ in range(16)]
    free_elsewhere(blocks).join()
    before = memory.slab_bytes()
    again = [memory.alloc(4096) for _ in range(16)]
    assert memory.slab_bytes() <= before + PAGE
    for block in again:
        memory.free(block)


def test_both_threads_at_once():
    """The owner allocates, fills and frees while others free: nothing is handed out twice."""
    before = memory.used()
    threads = []
    live = []
    for round_ in range(40):
        fresh = [memory.alloc(40 + 8 * (round_ % 5)) for _ in range(3000)]
        for block in fresh:
            memory.fill(block, round_, 40)
        live.append((round_, fresh))
        if len(live) > 3:
            mark, blocks = live.pop(0)
            assert all(memory.content(block, 40) == bytes([mark]) * 40 for block in blocks)
            threads.append(free_elsewhere(blocks[::2]))
            for block in blocks[1::2]:
                memory.free(block)
        if round_ % 7 == 0:
            memory.purge()
    for thread in threads:
        thread.join()
    flat = [block for _, blocks in live for block in blocks]
    assert len(set(flat)) == len(flat)
    for mark, blocks in live:
        assert all(memory.content(block, 40) == bytes([mark]) * 40 for block in blocks)
        for block in blocks:
            memory.free(block)
    assert memory.used() == before
    memory.purge()


# -- holes: parts of pages that hold few blocks ----------------------------------------------------------------------

@slabs_only
@pytest.mark.parametrize("size", [100, 300, 1000, 2000, 4608, 8192, 13_000])
def test_pages_that_hold_few_blocks_give_most_of_their_memory_back(size):
    full, left, purged, again = looks(f"""
import random
blocks = take({size}, {(32 << 20) // size}); look()
kept = set(random.Random(1).sample(range(len(blocks)), len(blocks) // 50))
for number in kept:
    memory.fill(blocks[number], number % 251, {size})
free([block for number, block in enumerate(blocks) if number not in kept]); memory.check(); look()
memory.purge(); memory.check(); look()
assert all(memory.content(blocks[number], {size}) == bytes([number % 251]) * {size} for number in kept)
blocks = [blocks[number] for number in kept] + take({size}, len(blocks) - len(kept)); memory.check(); look()
assert len(set(blocks)) == len(blocks)
free(blocks); memory.check()
""")
    assert left[3] > 0.9 * full[3]
    given_back = left[3] - purged[3]
    assert given_back > 0.3 * full[3]
    assert 0.9 * given_back < left[2] - purged[2] < 1.1 * given_back
    assert again[2] < 1.2 * full[2]         # the rest is holes in the heap, where the list of addresses was


@slabs_only
def test_blocks_of_pages_with_holes_do_not_overlap():
    """Sizes that straddle the system's pages, thinned out and filled up again, purged in between, also by another thread."""
    dice = random.Random(3)
    before = memory.used()
    live = {}
    for turn in range(24):
        size = dice.choice([40, 104, 296, 512, 1000, 2304, 4096, 5120, 8192, 9216])
        for number in range((2 << 20) // size):
            block = memory.alloc(size)
            assert block not in live
            memory.fill(block, number % 256, size)
            live[block] = size, number % 256
        gone = [block for block in live if dice.random() < dice.choice([0.9, 0.97])]
        elsewhere = free_elsewhere(gone[::2]) if turn % 3 == 0 else None
        for block in gone:
            size, byte = live.pop(block)
        for block in gone if elsewhere is None else gone[1::2]:
            memory.free(block)
        if elsewhere is not None:
            elsewhere.join()
        memory.purge()
        memory.check()
        assert all(memory.content(block, size) == bytes([byte]) * size for block, (size, byte) in live.items())
    for block in live:
        memory.free(block)
    assert memory.used() == before
    memory.check()


@slabs_only
def test_what_a_purge_could_give_back_is_known_before():
    memory.purge()
    before = memory.spare()
    blocks = [memory.alloc(300) for _ in range(50_000)]
    for block in blocks[1:]:
        memory.free(block)
    assert memory.spare() - before > 13 << 20
    memory.purge()
    assert memory.spare() - before < 2 << 20
    memory.free(blocks[0])


# -- figures, in a process of their own: its heap has no history ----------------------------------------------------

FIGURES = """
import json
from kv._core.testing import memory

def look():
    seen.append(memory.figures())

def take(size, count):
    blocks = [memory.alloc(size) for _ in range(count)]
    for block in blocks:
        memory.fill(block, 1, size)
    return blocks

def free(blocks):
    for block in blocks:
        memory.free(block)

seen = []
warm = [0] * 1_000_000          # so that the lists of addresses take nothing more
del warm
memory.purge()
look()
"""


def looks(text):
    """[(allocated, active, resident, resident set)] at each look() of a program, beyond what they were at its start."""
    program = FIGURES + text + "\nprint(json.dumps(seen))"
    found = json.loads(subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE).stdout)
    return [[figure - first for figure, first in zip(figures, found[0], strict=True)] for figures in found[1:]]


@slabs_only
@pytest.mark.parametrize("size", [100, 1000, 4096, 6000, 11_000, 13_000, 40_000])
def test_figures_follow_what_is_taken_and_what_the_process_has(size):
    full, left = looks(f"blocks = take({size}, {(64 << 20) // size}); look(); free(blocks); memory.purge(); look()")
    assert 64 << 20 <= full[0] + size <= 75 << 20
    assert all(0.97 * full[0] <= figure <= 1.05 * full[0] + (1 << 20) for figure in full[1:3])
    assert full[3] > 0.97 * full[0]
    assert left[0] == 0 and left[1] < 1 << 20 and left[2] < 3 << 20


@slabs_only
@pytest.mark.parametrize("size", [100, 1000])
def test_holes_are_active_until_their_page_is_empty_and_resident_until_a_purge(size):
    full, holes, empty, purged = looks(
        f"blocks = take({size}, {(32 << 20) // size}); look(); free(blocks[::2]); look()\n"
        "free(blocks[1::2]); look(); memory.purge(); look()")
    assert abs(holes[1] - full[1]) < 1 << 20
    assert holes[1] - holes[0] > 15 << 20
    assert holes[2] >= holes[1]
    assert empty[1] < 1 << 20 and empty[2] > 31 << 20
    assert purged[2] < 3 << 20


@slabs_only
def test_holes_between_large_blocks_are_active_until_the_heap_is_trimmed():
    full, holes, trimmed, filled = looks(
        "blocks = take(20_000, 2000); look(); free(blocks[::2]); look(); memory.purge(); look()\n"
        "blocks += take(20_000, 500); look()")
    assert abs(holes[1] - full[1]) < 1 << 20
    assert 0.9 * (holes[3] - trimmed[3]) < holes[1] - trimmed[1] < 1.1 * (holes[3] - trimmed[3])
    assert holes[1] - trimmed[1] > 14 << 20
    assert 0.9 * (filled[3] - trimmed[3]) < filled[1] - trimmed[1] < 1.1 * (filled[3] - trimmed[3])


def test_what_another_thread_freed_is_not_allocated():
    before = memory.figures()[0]
    blocks = [memory.alloc(size) for size in (100, 10_000) for _ in range(1000)]
    free_elsewhere(blocks).join()
    assert memory.figures()[0] == before
    assert memory.figures()[1] >= before
    memory.purge()


# -- beside a forked child, and in it -------------------------------------------------------------------------------

@pytest.fixture
def spared():
    yield
    memory.spare_pages(False)
    memory.check()


def system_pages(blocks):
    return {block // 4096 for block in blocks}


@slabs_only
def test_beside_a_child_new_blocks_come_from_new_pages(spared):
    old = [memory.alloc(72) for _ in range(50_000)]
    for block in old[::3]:
        memory.free(block)
    shared = system_pages(old)
    memory.spare_pages(True)
    new = [memory.alloc(72) for _ in range(20_000)]
    # but for the one page that the class allocated from when the child was forked
    assert len(system_pages(new) & shared) <= PAGE // 4096
    memory.check()
    memory.spare_pages(False)
    again = [memory.alloc(72) for _ in range(10_000)]
    assert len(system_pages(again) & shared) > 500          # the holes are there again
    for block in [*[block for i, block in enumerate(old) if i % 3], *new, *again]:
        memory.free(block)


@slabs_only
def test_beside_a_child_what_was_freed_since_is_used_first(spared):
    old = [memory.alloc(104) for _ in range(30_000)]
    memory.spare_pages(True)
    before = memory.slab_bytes()
    for _ in range(20):
        for block in old[1000:2000]:
            memory.free(block)
        old[1000:2000] = [memory.alloc(104) for _ in range(1000)]
    assert memory.slab_bytes() - before <= 4 * PAGE         # however often, no page but a few is new
    for block in old:
        memory.free(block)
    memory.check()


@slabs_only
def test_beside_a_child_pages_empty_and_are_purged_as_ever(spared):
    blocks = [memory.alloc(200) for _ in range(50_000)]
    for block in blocks[::2]:
        memory.free(block)
    memory.spare_pages(True)
    rest = blocks[1::2]
    free_elsewhere(rest[:5000]).join()
    for block in rest[5000:]:
        memory.free(block)
    memory.purge()
    memory.check()


@pytest.mark.skipif(memory.SANITIZED, reason="the sanitizer keeps its own accounts beside the blocks")
@pytest.mark.parametrize("size", [4000, 8192, 16_000, 100_000, 1 << 20])
def test_a_child_gives_back_whole_pages_of_a_block_and_nothing_else(size):
    blocks = [memory.alloc(size) for _ in range(5)]
    for number, block in enumerate(blocks):
        memory.fill(block, number + 1, size)
    memory.dismiss(blocks[2])
    assert memory.content(blocks[2], size) == bytes([3]) * size      # this is no child
    child = os.fork()
    if child == 0:
        memory.begin_dismissing()
        memory.dismiss(blocks[2])
        memory.dismiss(0)
        start, end = -(-blocks[2] // 4096) * 4096 - blocks[2], (blocks[2] + memory.size(blocks[2])) // 4096 * 4096 - blocks[2]
        given = memory.content(blocks[2], size)
        expected = bytes(bytes([3]) * size if end <= start else b"\3" * start + bytes(end - start) + b"\3" * (size - end))[:size]
        whole = all(memory.content(block, size) == bytes([number + 1]) * size
                    for number, block in enumerate(blocks) if number != 2)
        os._exit(0 if given == expected and whole else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert memory.content(blocks[2], size) == bytes([3]) * size
    for block in blocks:
        memory.free(block)
