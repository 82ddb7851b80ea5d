from ringlog.cli.text_table import text_table


def test_columns_are_as_wide_as_their_widest_word_and_lines_end_with_words():
    table = text_table(("A", "LONG HEAD", "B"), [("wide word", "x", "1"), ("y", "z", "")])
    assert table == "A          LONG HEAD  B\nwide word  x          1\ny          z\n"


def test_a_table_without_rows_is_its_head():
    assert text_table(("A", "B"), []) == "A  B\n"
