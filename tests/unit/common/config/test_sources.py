"""Sources of settings: their precedence, refused values, and the help."""

import pytest

from common.config.settings import setting, settings
from common.config.sources import describe, read_settings


@settings
class Broker:
    """Broker settings."""

    partition_count: int = setting("num.partitions", default=1, low=1, high=1000, doc="Count, 9%.")
    listen: str = setting("listen", default="localhost:9092", flag="--listen", doc="Address.")
    data_dir: str = setting("data.dir", default="./data", doc="Folder.")


@settings
class Log:
    """Log settings."""

    retention_ms: int = setting("log.retention.ms", default=-1, low=-1, unit="ms", doc="Age.")
    data_dir: str = setting("data.dir", default="./data", doc="Folder.")

    def __post_init__(self):
        if self.data_dir == "/" and self.retention_ms == 0:
            raise ValueError("data.dir must not be /")


def _read(*arguments, **environment):
    return read_settings(
        "ringlog", "A log.", [Broker, Log], arguments=arguments, environment=environment
    )


def _read_error(capsys, *arguments, **environment):
    with pytest.raises(SystemExit) as end:
        _read(*arguments, **environment)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_defaults_are_used_without_any_source():
    configuration = _read()
    assert configuration.of(Broker) == Broker()
    assert configuration.of(Log) == Log()


def test_flags_win_over_the_environment_which_wins_over_the_file(tmp_path):
    file = tmp_path / "ringlog.toml"
    file.write_text('listen = "file:1"\n"num.partitions" = 2\n[log.retention]\nms = 3\n')
    configuration = _read(
        "--config", str(file), "--listen", "flag:1",
        RINGLOG_NUM_PARTITIONS="4", RINGLOG_LISTEN="environment:1",
    )  # fmt: skip
    assert configuration.of(Broker) == Broker(partition_count=4, listen="flag:1")
    assert configuration.of(Log) == Log(retention_ms=3)


def test_the_file_may_be_named_by_the_environment(tmp_path):
    file = tmp_path / "ringlog.toml"
    file.write_text("num.partitions = 8\n")
    assert _read(RINGLOG_CONFIG=str(file)).of(Broker).partition_count == 8


def test_the_last_flag_wins_in_either_spelling():
    assert _read("--listen", "a:1", "--set", "listen=b:1").of(Broker).listen == "b:1"
    assert _read("--set", "listen=b:1", "--listen", "a:1").of(Broker).listen == "a:1"


def test_a_shared_name_reaches_every_class_that_declares_it():
    configuration = _read("--set", "data.dir=/srv")
    assert configuration.of(Broker).data_dir == configuration.of(Log).data_dir == "/srv"


def test_overrides_win_over_given_values():
    configuration = _read("--set", "data.dir=/srv")
    assert configuration.of(Log, {"data.dir": "/srv/log"}).data_dir == "/srv/log"


def test_an_invalid_value_is_refused_with_its_range_and_its_source(capsys):
    output = _read_error(capsys, "--set", "num.partitions=0")
    assert "num.partitions must be an integer from 1 to 1000, not '0' (command line)" in output
    assert "$RINGLOG_NUM_PARTITIONS" in _read_error(capsys, RINGLOG_NUM_PARTITIONS="none")


def test_an_unknown_name_is_refused_with_near_ones(capsys):
    output = _read_error(capsys, "--set", "num.partition=1")
    assert "unknown setting num.partition (command line); did you mean num.partitions?" in output
    assert "did you mean log.retention.ms" in _read_error(capsys, RINGLOG_LOG_RETENTIN_MS="1")


def test_all_problems_are_reported_together(capsys):
    output = _read_error(capsys, "--set", "num.partitions=0", "--set", "zzz=1", RINGLOG_QQQ="1")
    assert all(name in output for name in ("num.partitions", "zzz", "qqq"))


def test_values_that_are_invalid_together_are_refused(capsys):
    output = _read_error(capsys, "--set", "data.dir=/", "--set", "log.retention.ms=0")
    assert "data.dir must not be /" in output


def test_a_set_without_a_value_is_refused(capsys):
    assert "--set needs NAME=VALUE" in _read_error(capsys, "--set", "num.partitions")


@pytest.mark.parametrize("text", [None, "listen = ", "\x00"], ids=["missing", "broken", "bytes"])
def test_a_file_that_cannot_be_read_is_named(capsys, tmp_path, text):
    file = tmp_path / "ringlog.toml"
    if text is not None:
        file.write_text(text)
    assert f"cannot read {file}" in _read_error(capsys, "--config", str(file))


def test_the_variables_of_a_kubernetes_service_are_not_settings():
    _read(
        RINGLOG_SERVICE_HOST="10.0.0.1",
        RINGLOG_SERVICE_PORT_KAFKA="9092",
        RINGLOG_PORT="tcp://10.0.0.1:9092",
        RINGLOG_PORT_9092_TCP_ADDR="10.0.0.1",
    )


def test_help_lists_every_setting_with_default_unit_and_range(capsys):
    with pytest.raises(SystemExit) as end:
        _read("--help")
    assert end.value.code == 0
    output = capsys.readouterr().out
    assert "num.partitions = 1\n      Count, 9%. (an integer from 1 to 1000)" in output
    assert "log.retention.ms = -1\n      Age. (an integer of at least -1 ms)" in output
    assert "Log settings." in output
    assert "--listen" in output


def test_a_shared_setting_is_described_once():
    assert describe([Broker, Log]).count("data.dir =") == 1


def test_a_setting_that_the_process_fixes_is_unknown_to_users(capsys):
    def read(*arguments):
        return read_settings(
            "ringlog", "A log.", [Broker, Log],
            fixed=["log.retention.ms"], arguments=arguments, environment={},
        )  # fmt: skip

    assert read().of(Log, {"log.retention.ms": "5"}).retention_ms == 5
    with pytest.raises(SystemExit):
        read("--set", "log.retention.ms=1")
    assert "unknown setting log.retention.ms" in capsys.readouterr().err
    assert "log.retention.ms" not in describe([Broker, Log], fixed=["log.retention.ms"])
