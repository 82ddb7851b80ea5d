"""`ringlog store`: checks the journal of a partition service, and drops what is damaged."""

import sys
from collections.abc import Sequence
from typing import Final

from partition_svc.store.journal.truncation import dropped_files
from ringlog.cli.actions import CommandFailed, Console
from ringlog.cli.store.arguments import store_parser
from ringlog.cli.store.as_text import dropped_text, report_text, verdict
from ringlog.cli.store.directory import StoreDirectory, open_store

_CONSOLE: Final = Console("store")


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status: 0 done or sound, 1 not; wrong use ends the process with 2."""
    options = store_parser().parse_args(arguments)
    try:
        with open_store(options.directory) as store:
            if options.action == "check":
                return _check(store)
            return _truncate(store, is_confirmed=options.yes)
    except CommandFailed as error:
        _CONSOLE.report(str(error))
        return 1


def _check(store: StoreDirectory) -> int:
    report = store.inspect()
    sys.stdout.write(report_text(store.path, report, store.synced()))
    return 1 if report.is_damaged else 0


def _truncate(store: StoreDirectory, *, is_confirmed: bool) -> int:
    report = store.inspect()
    if not report.is_damaged:
        raise CommandFailed(f"the journal of {store.path} is not damaged: nothing is dropped")
    files = dropped_files(store.journal, report.end)
    sys.stdout.write(f"{store.path}\n{dropped_text(report, files)}")
    if not is_confirmed:
        raise CommandFailed("nothing is dropped without --yes")
    kept = store.truncate(report)
    if kept is not None:
        sys.stdout.write(f"copies of these files are in {kept}\n")
    sys.stdout.write(f"done: {verdict(store.inspect())}\n")
    return 0
