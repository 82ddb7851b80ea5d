"""Limits of the machine without ringlog: memory, loopback TCP, disk, RocksDB.

The broker's numbers mean little without these, taken in the same run: machines differ by a factor
of ten, most of all in what a sync costs. The bare gRPC stream is in `raw_grpc`.
"""

import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rocksdict import Options, Rdict, WriteOptions

from benchmarks.processes.processes import Process
from benchmarks.report import results
from benchmarks.report.results import Results

MIB = 1 << 20
MEMORY_COPY = "memcpy, 1 MiB"
TCP_STREAM = "loopback TCP, one stream"
TCP_PING_PONG = "loopback TCP, 200-byte ping-pong"
_PING_BYTES = 200


def disk_sync(size: int) -> str:
    return f"disk, write + fdatasync of {_size(size)}"


def rocksdb_put(size: int) -> str:
    return f"RocksDB, put of {_size(size)}, no sync"


def rocksdb_group(size: int) -> str:
    return f"RocksDB, 32 puts of {_size(size)}, then flush_wal"


DISK_SIZES = (1 << 10, 128 << 10, MIB)
PUT_SIZES = (1 << 10, 16 << 10, 128 << 10)


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size >= MIB else f"{size >> 10} KiB"


def measure(found: Results, directory: Path, *, seconds: float) -> None:
    """One value for every raw limit; each takes about `seconds`. Files go below `directory`."""
    found.add(MEMORY_COPY, results.RAW, _memory_copy(seconds))
    found.add(TCP_STREAM, results.RAW, _tcp_stream(directory, seconds))
    found.add(TCP_PING_PONG, results.RAW, _tcp_ping_pong(directory, seconds))
    for size in DISK_SIZES:
        found.add(disk_sync(size), results.RAW, _disk_sync(directory, size, seconds))
    for size in PUT_SIZES:
        found.add(rocksdb_put(size), results.RAW, _rocksdb(directory, size, seconds, group=0))
    for size in PUT_SIZES:
        found.add(rocksdb_group(size), results.RAW, _rocksdb(directory, size, seconds, group=32))


def _rate(act: Callable[[], object], seconds: float, *, bytes_each: int) -> dict[str, float]:
    """Runs of `act` per second, and the bytes that it moves."""
    started = time.perf_counter()
    count = 0
    while (elapsed := time.perf_counter() - started) < seconds:
        act()
        count += 1
    return {
        results.REQUESTS: count / elapsed,
        results.MEGABYTES: count * bytes_each / elapsed / 1e6,
    }


def _memory_copy(seconds: float) -> dict[str, float]:
    source, target = memoryview(os.urandom(MIB)), memoryview(bytearray(MIB))

    def copy() -> None:
        target[:] = source

    return _rate(copy, seconds, bytes_each=MIB)


@contextmanager
def peer(directory: Path, *arguments: str) -> Iterator[tuple[str, int]]:
    """A `raw_peer` process; gives its address."""
    process = Process(
        f"raw_peer {arguments[0]}",
        ["-m", "benchmarks.limits.peer", *arguments],
        log_path=directory / f"raw_peer-{arguments[0]}.log",
    )
    try:
        yield "127.0.0.1", int(process.wait_for_line(r"^(\d+)\n")[1])
    finally:
        process.stop()


def _tcp_stream(directory: Path, seconds: float) -> dict[str, float]:
    block = os.urandom(MIB)
    with peer(directory, "sink") as address, socket.create_connection(address) as connection:
        started = time.perf_counter()
        sent = 0
        while time.perf_counter() - started < seconds:
            connection.sendall(block)
            sent += len(block)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
        return {results.MEGABYTES: sent / (time.perf_counter() - started) / 1e6}


def _tcp_ping_pong(directory: Path, seconds: float) -> dict[str, float]:
    message = os.urandom(_PING_BYTES)
    with peer(directory, "echo") as address, socket.create_connection(address) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ping() -> None:
            connection.sendall(message)
            connection.recv(_PING_BYTES, socket.MSG_WAITALL)

        return _rate(ping, seconds, bytes_each=_PING_BYTES)


def _disk_sync(directory: Path, size: int, seconds: float) -> dict[str, float]:
    block = os.urandom(size)
    with tempfile.TemporaryFile(dir=directory) as file:

        def write() -> None:
            os.write(file.fileno(), block)
            os.fdatasync(file.fileno())

        return _rate(write, seconds, bytes_each=size)


def _rocksdb(directory: Path, size: int, seconds: float, *, group: int) -> dict[str, float]:
    """Puts under growing keys. With `group`, a synced WAL after each that many."""
    value = os.urandom(size)
    number = 0
    options = Options(raw_mode=True)
    options.set_write_buffer_size(64 * MIB)
    options.set_max_write_buffer_number(6)
    with tempfile.TemporaryDirectory(dir=directory) as path:
        store = Rdict(path, options)
        store.set_write_options(WriteOptions())

        def put() -> None:
            nonlocal number
            store.put(number.to_bytes(8, "big"), value)
            number += 1
            if group and number % group == 0:
                store.flush_wal(True)

        rates = _rate(put, seconds, bytes_each=size)
        store.close()
        return rates
