"""Tests of the generated tables in documents."""

import pytest

from ringlog.doc_tables import with_current_tables


def test_table_is_written_between_its_marks_only():
    document = "before\n<!-- table: apis -->\nold\n<!-- end -->\nafter\n"
    written = with_current_tables(document)
    assert written.startswith("before\n<!-- table: apis -->\n| key | API | versions |\n")
    assert written.endswith(" |\n<!-- end -->\nafter\n")
    assert "| 18 | ApiVersions |" in written
    assert "old" not in written


def test_second_write_changes_nothing():
    document = "<!-- table: topic-defaults -->\n<!-- end -->\n<!-- table: apis -->\n<!-- end -->\n"
    written = with_current_tables(document)
    assert with_current_tables(written) == written
    assert "`log.retention.ms`" in written


def test_table_of_settings_has_defaults_and_ranges():
    written = with_current_tables("<!-- table: metadata-settings -->\n<!-- end -->\n")
    assert "| `num.partitions` | `1` | an integer from 1 to " in written


def test_unknown_table_is_an_error():
    with pytest.raises(KeyError, match="nothing"):
        with_current_tables("<!-- table: nothing -->\n<!-- end -->\n")
