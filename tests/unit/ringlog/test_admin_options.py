import pytest

from ringlog.admin_options import admin_options


def test_the_setting_of_the_services_is_the_default():
    assert admin_options({}).parse_args([]).metadata == "localhost:9392"
    found = admin_options({"RINGLOG_METADATA_ADDRESS": "a:1,b:2"}).parse_args(["--json"])
    assert (found.metadata, found.json) == ("a:1,b:2", True)


@pytest.mark.parametrize("wrong", ["nowhere", "a:1,b", "a:x", ":1"])
def test_what_is_no_address_is_refused(capsys, wrong):
    with pytest.raises(SystemExit):
        admin_options({}).parse_args(["--metadata", wrong])
    assert "is not HOST:PORT" in capsys.readouterr().err
