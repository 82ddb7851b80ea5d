import pytest

from ringlog.cli.options import CommandParser


def parse(*arguments, **environment):
    command = CommandParser("thing", "Do things.", environment, note="A note.\n")
    command.add_action("act", "Act once.").add_argument("name")
    return command.parser.parse_args(arguments)


def test_default_addresses_are_those_of_a_metadata_service_and_a_standalone_broker():
    assert parse("act", "a").metadata == "localhost:9392,localhost:9093"


def test_environment_overrides_the_default_and_the_option_overrides_both():
    options = parse("act", "a", "--json", RINGLOG_METADATA_ADDRESS="a:1,b:2")
    assert (options.metadata, options.json) == ("a:1,b:2", True)
    options = parse("act", "a", "--metadata", "c:3", RINGLOG_METADATA_ADDRESS="a:1,b:2")
    assert (options.metadata, options.json) == ("c:3", False)


@pytest.mark.parametrize("addresses", ["nowhere", "a:1,b", "a:x", ":1"])
def test_invalid_address_is_rejected(capsys, addresses):
    with pytest.raises(SystemExit):
        parse("act", "a", "--metadata", addresses)
    assert "is not HOST:PORT" in capsys.readouterr().err


def test_command_without_services_has_no_shared_options(capsys):
    command = CommandParser("thing", "Do things.", None)
    command.add_action("act", "Act once.")
    assert vars(command.parser.parse_args(["act"])) == {"action": "act"}
    with pytest.raises(SystemExit):
        command.parser.parse_args(["act", "--json"])


def test_action_has_its_own_arguments_and_is_required(capsys):
    options = parse("act", "a")
    assert (options.action, options.name) == ("act", "a")
    with pytest.raises(SystemExit):
        parse()
    assert "ACTION" in capsys.readouterr().err


def test_help_lists_actions_note_and_exit_statuses(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    output = capsys.readouterr().out
    assert output.startswith("usage: ringlog thing")
    assert "Act once." in output
    assert "A note.\nExit status: 0 done" in output
