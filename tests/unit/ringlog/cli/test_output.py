import json

from ringlog.cli.output import json_line, text_table, uuid_text


def test_columns_are_as_wide_as_their_widest_cell_and_lines_are_not_padded():
    table = text_table(("A", "LONG HEAD", "B"), [("wide word", "x", "1"), ("y", "z", "")])
    assert table == "A          LONG HEAD  B\nwide word  x          1\ny          z\n"


def test_table_without_rows_has_only_its_head():
    assert text_table(("A", "B"), []) == "A  B\n"


def test_json_line_has_no_inner_newline():
    line = json_line({"text": "a\nb", "list": [1, None]})
    assert line.endswith("\n")
    assert line.count("\n") == 1
    assert json.loads(line) == {"text": "a\nb", "list": [1, None]}


def test_topic_id_is_22_characters_of_url_safe_base64():
    assert uuid_text(bytes(16)) == "A" * 22
    assert uuid_text(b"\xff" * 16) == "_" * 21 + "w"
