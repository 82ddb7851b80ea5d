"""Tuning of a process for many small requests: malloc, garbage collection, file descriptors."""

import ctypes
import gc
import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

log = logging.getLogger(__name__)

#: Parameters of mallopt (malloc.h), and their values in bytes.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_TRIM_THRESHOLD_BYTES: Final = 512 << 20
_MMAP_THRESHOLD_BYTES: Final = 64 << 20

#: New objects between two collections of the youngest generation, and collections of a generation
#: between two of the next one (Python's defaults: 700, 10, 10).
_YOUNG_OBJECTS: Final = 10_000
_YOUNG_COLLECTIONS: Final = 20
_MIDDLE_COLLECTIONS: Final = 20

#: A lower limit of file descriptors is logged as a warning.
_DESCRIPTORS_MIN: Final = 4_096


def raise_descriptor_limit() -> int:
    """Raises the soft limit of open file descriptors to the hard one; returns what is in force.

    Systems set the soft limit to 1,024 for programs that use select(2). Each client connection
    takes a descriptor, and so does each open file of a store.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    if 0 <= soft < _DESCRIPTORS_MIN:
        log.warning(
            "the process may open %d file descriptors; at least %d are recommended "
            "(`ulimit -Hn`, LimitNOFILE of systemd, --ulimit nofile of docker)",
            soft,
            _DESCRIPTORS_MIN,
        )
    return soft


def keep_freed_memory() -> None:
    """Makes glibc reuse large buffers instead of returning each to the system.

    Otherwise message buffers of 256 KiB to 1 MiB cost a page fault for each of their pages every
    time, which halves the throughput of large messages. Does nothing without glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)


@contextmanager
def importing_without_collections() -> Iterator[None]:
    """Suspends garbage collection while a process imports its modules.

    Nearly all objects that an import makes remain; traversing them again and again took a tenth
    of the time of a start. Afterwards they are exempt from collection.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def collect_garbage_less_often() -> None:
    """Exempts all present objects from garbage collection, and collects others less often.

    Requests that wait for a sync survive collection. With Python's default thresholds collection
    took a third of the CPU time under many small requests. Cycles are few; they live longer.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _YOUNG_COLLECTIONS, _MIDDLE_COLLECTIONS)
