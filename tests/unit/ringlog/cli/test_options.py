import pytest

from ringlog.cli.options import CommandParser


def parse(*words, **environment):
    command = CommandParser("thing", "Do things.", environment, note="A note.\n")
    command.add_action("act", "Act once.").add_argument("name")
    return command.parser.parse_args(words)


def test_the_default_addresses_are_those_of_a_metadata_service_and_a_standalone_broker():
    assert parse("act", "a").metadata == "localhost:9392,localhost:9093"


def test_the_setting_of_the_services_overrides_the_default_and_the_option_both():
    options = parse("act", "a", "--json", RINGLOG_METADATA_ADDRESS="a:1,b:2")
    assert (options.metadata, options.json) == ("a:1,b:2", True)
    options = parse("act", "a", "--metadata", "c:3", RINGLOG_METADATA_ADDRESS="a:1,b:2")
    assert (options.metadata, options.json) == ("c:3", False)


@pytest.mark.parametrize("wrong", ["nowhere", "a:1,b", "a:x", ":1"])
def test_text_that_is_no_address_is_refused(capsys, wrong):
    with pytest.raises(SystemExit):
        parse("act", "a", "--metadata", wrong)
    assert "is not HOST:PORT" in capsys.readouterr().err


def test_an_action_has_its_own_arguments_and_is_required(capsys):
    options = parse("act", "a")
    assert (options.action, options.name) == ("act", "a")
    with pytest.raises(SystemExit):
        parse()
    assert "ACTION" in capsys.readouterr().err


def test_the_help_lists_the_actions_the_note_and_the_exit_statuses(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    output = capsys.readouterr().out
    assert output.startswith("usage: ringlog thing")
    assert "Act once." in output
    assert "A note.\nExit status: 0 done" in output
