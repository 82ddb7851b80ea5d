"""What every process of ringlog does around its work: memory, event loop, log lines, signals.

Knows no service. `run` is called once, by a `__main__` or by the command line.
"""

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, NoReturn

import uvloop

from common.config.settings import setting, settings

log = logging.getLogger(__name__)

#: mallopt's parameters (malloc.h).
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

#: The collector looks after so many new objects, and after so many passes at those that stayed.
_YOUNG_OBJECTS = 10_000
_YOUNG_PASSES = _OLD_PASSES = 20

#: Fewer file descriptors than this are warned of.
_DESCRIPTORS_MIN: Final = 4_096

_LOG_LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@settings
class ProcessSettings:
    """The process."""

    log_level: str = setting(
        "log.level",
        default="INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        flag="--log-level",
        doc="What is written to stderr.",
    )


def run(
    program: str,
    main: Callable[[asyncio.Event], Awaitable[None]],
    own: ProcessSettings,
    *,
    cannot_run: tuple[type[Exception], ...],
) -> int:
    """Runs `main` on a uvloop until it returns. SIGTERM and SIGINT set the event it is given.

    A second signal ends the process at once: whoever sends it does not want to wait any longer.

    Returns:
        The exit status: 0, or 1 where `main` raised one of `cannot_run`, which is told on stderr.
    """
    keep_freed_memory()
    collect_less_often()
    set_up_logging(own.log_level)
    raise_descriptor_limit()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_stopped(main))
    except cannot_run as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 1
    return 0


def end_process(reason: str) -> NoReturn:
    """Ends the process at once with status 1, from any thread, as if it had been killed.

    For failures after which no request may be answered any more. No connection is closed in order
    and no `finally` runs; what is durable by then is what the next start finds.
    """
    log.critical("ending the process: %s", reason)
    logging.shutdown()
    os._exit(1)


def raise_descriptor_limit() -> int:
    """Raises the soft limit of open file descriptors to the hard one; returns what is in force.

    Systems set the soft limit to 1,024 for programs that use select(2). Each client connection
    takes a descriptor, and so does each file of a store that is kept open.
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
    """Tells glibc to reuse large buffers in place of giving each back to the system.

    Message buffers of 256 KiB to 1 MiB else cost a page fault for each of their pages every time,
    which halves the throughput of large messages. Does nothing where there is no glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 64 << 20)
    mallopt(_M_TRIM_THRESHOLD, 512 << 20)


def collect_less_often() -> None:
    """Has Python's collector leave alone what is there now, and look at the rest less often.

    What waits for a sync looks like garbage to be checked: looking after every 700 new objects, and
    often at all there are, took a third of the time of many small requests. Cycles, which are few,
    stay a little longer.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _YOUNG_PASSES, _OLD_PASSES)


def set_up_logging(level: str) -> None:
    """One line per event on stderr."""
    logging.basicConfig(stream=sys.stderr, level=level, format=_LOG_LINE)


async def _until_stopped(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop_on, number, stop)
    await main(stop)


def _stop_on(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        log.warning("%s again: ending at once", number.name)
        # The default action, so that whoever waits sees the signal as the reason.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    log.info("%s: stopping", number.name)
    stop.set()
