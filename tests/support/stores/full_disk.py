"""A disk that refuses writes on demand, for the entire process; needs no privileges.

RLIMIT_FSIZE makes every write past a file size fail with EFBIG, which to RocksDB is an I/O error
like a full disk. Python ignores the signal that comes with it.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """Limits the size of every file of this process to `size_bytes` within the `with`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
