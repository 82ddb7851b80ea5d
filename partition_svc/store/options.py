"""RocksDB's options, chosen by measurement (benchmarks/logs/storage.py shows their effect).

The rule behind them: a write must never stall, because it holds Python's global lock. So RocksDB
never switches a memtable by itself (the store flushes after `flush_bytes`), and slows down or stops
writes only far beyond the points where the store itself waits.
"""

import resource
from collections.abc import Collection
from typing import Final

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options

from partition_svc.store.keys import BATCHES, COMPACTED_BATCHES

#: The store flushes long before a memtable reaches this size.
_MEMTABLE_BYTES: Final = 256 << 20
_MEMTABLES_MAX: Final = 8
#: Part (one in N) of the process's descriptors for files; the rest is for connections.
_DESCRIPTORS_PART: Final = 4
_OPEN_FILES_MIN: Final = 32
_OPEN_FILES_MAX: Final = 4_000
_BLOCK_CACHE_BYTES: Final = 32 << 20
#: Far above the limits at which the store waits; see `LogStore.is_behind`.
_LEVEL0_SLOWDOWN_FILES: Final = 60
_LEVEL0_STOP_FILES: Final = 80


def database_options(*, may_create: bool = True, with_statistics: bool = False) -> Options:
    """Options of the whole database. With `may_create` a missing one is created."""
    options = Options(raw_mode=True)
    options.create_if_missing(may_create)
    options.create_missing_column_families(True)
    options.set_max_background_jobs(3)
    options.set_max_total_wal_size(1 << 30)
    # SST files reach the disk as they are written, not all at once when they are finished.
    options.set_bytes_per_sync(1 << 20)
    options.set_max_open_files(open_files_max())
    options.set_skip_stats_update_on_db_open(True)
    options.set_keep_log_file_num(4)
    options.set_max_log_file_size(8 << 20)
    if with_statistics:
        options.enable_statistics()
    return options


def open_files_max() -> int:
    """Number of files that RocksDB keeps open: a part of the process's descriptor limit.

    A terabyte of log is 16,000 files, which must not all be open.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    part = _OPEN_FILES_MAX if soft == resource.RLIM_INFINITY else soft // _DESCRIPTORS_PART
    return max(_OPEN_FILES_MIN, min(part, _OPEN_FILES_MAX))


def family_options(not_compacted: Collection[str] = ()) -> dict[str, Options]:
    """Options by column family. Automatic compaction is off for `not_compacted`."""
    cache = Cache(_BLOCK_CACHE_BYTES)
    families = {name: _family(cache) for name in ("default", BATCHES, COMPACTED_BATCHES)}
    for name in not_compacted:
        families[name].set_disable_auto_compactions(True)
    return families


def _family(cache: Cache) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(cache)
    table.set_cache_index_and_filter_blocks(True)
    table.set_pin_l0_filter_and_index_blocks_in_cache(True)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(table)
    # Clients compress.
    options.set_compression_type(DBCompressionType.none())
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_max_write_buffer_number(_MEMTABLES_MAX)
    options.set_target_file_size_base(64 << 20)
    options.set_level_zero_slowdown_writes_trigger(_LEVEL0_SLOWDOWN_FILES)
    options.set_level_zero_stop_writes_trigger(_LEVEL0_STOP_FILES)
    return options
