"""Only what stands between the marks is written, and from the code."""

import pytest

from ringlog.doc_tables import with_current_tables


def test_a_table_is_written_between_its_marks_only():
    document = "before\n<!-- table: apis -->\nold\n<!-- end -->\nafter\n"
    written = with_current_tables(document)
    assert written.startswith("before\n<!-- table: apis -->\n| key | API | versions |\n")
    assert written.endswith(" |\n<!-- end -->\nafter\n")
    assert "| 18 | ApiVersions |" in written
    assert "old" not in written


def test_writing_twice_changes_nothing_more():
    document = "<!-- table: topic-defaults -->\n<!-- end -->\n<!-- table: apis -->\n<!-- end -->\n"
    once = with_current_tables(document)
    assert with_current_tables(once) == once
    assert "`log.retention.ms`" in once


def test_a_table_of_settings_has_defaults_and_ranges():
    written = with_current_tables("<!-- table: metadata-settings -->\n<!-- end -->\n")
    assert "| `num.partitions` | `1` | an integer from 1 to " in written


def test_an_unknown_table_is_an_error():
    with pytest.raises(KeyError, match="nothing"):
        with_current_tables("<!-- table: nothing -->\n<!-- end -->\n")
