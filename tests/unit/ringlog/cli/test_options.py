import pytest

from ringlog.cli.options import admin_options


def test_the_default_is_where_a_metadata_service_or_a_standalone_broker_is_by_default():
    assert admin_options({}).parse_args([]).metadata == "localhost:9392,localhost:9093"


def test_the_setting_of_the_services_goes_before():
    found = admin_options({"RINGLOG_METADATA_ADDRESS": "a:1,b:2"}).parse_args(["--json"])
    assert (found.metadata, found.json) == ("a:1,b:2", True)


@pytest.mark.parametrize("wrong", ["nowhere", "a:1,b", "a:x", ":1"])
def test_what_is_no_address_is_refused(capsys, wrong):
    with pytest.raises(SystemExit):
        admin_options({}).parse_args(["--metadata", wrong])
    assert "is not HOST:PORT" in capsys.readouterr().err
