from pathlib import Path

import pytest

from ringlog.cli.store.arguments import store_parser


def test_check_takes_a_directory():
    options = store_parser().parse_args(["check", "data"])
    assert (options.action, options.directory) == ("check", Path("data"))


def test_truncate_is_not_confirmed_by_default():
    assert not store_parser().parse_args(["truncate", "data"]).yes
    assert store_parser().parse_args(["truncate", "data", "--yes"]).yes


@pytest.mark.parametrize(
    "arguments", [[], ["check"], ["check", "a", "b"], ["check", "a", "--metadata", "m:1"]]
)
def test_wrong_use_exits_with_2(arguments):
    with pytest.raises(SystemExit) as end:
        store_parser().parse_args(arguments)
    assert end.value.code == 2
