"""The start and the end of every process of ringlog: event loop, log lines and signals.

Knows no service. `run` is called once, by a `__main__` or by the command line.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

import uvloop

from common.config.settings import setting, settings
from common.runtime.runtime_tuning import (
    collect_garbage_less_often,
    keep_freed_memory,
    raise_descriptor_limit,
)

log = logging.getLogger(__name__)

_LOG_LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@settings
class ProcessSettings:
    """The process."""

    log_level: str = setting(
        "log.level",
        default="INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        flag="--log-level",
        doc="The lowest level of log lines on stderr.",
    )


def run(
    program: str,
    main: Callable[[asyncio.Event], Awaitable[None]],
    own: ProcessSettings,
    *,
    cannot_run: tuple[type[Exception], ...],
) -> int:
    """Runs `main` on a uvloop until it returns. SIGTERM and SIGINT set the event it is given.

    A second signal ends the process at once.

    Returns:
        The exit status: 0, or 1 if `main` raised one of `cannot_run`, which is printed to stderr.
    """
    keep_freed_memory()
    collect_garbage_less_often()
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

    For failures after which no response may be sent. Connections are not closed in order and no
    `finally` runs; the next start finds what is durable by then.
    """
    log.critical("ending the process: %s", reason)
    logging.shutdown()
    os._exit(1)


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
        # The default action, so that the parent process sees the signal as the reason.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    log.info("%s: stopping", number.name)
    stop.set()
