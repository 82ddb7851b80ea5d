"""Tests of the announcement and its parser."""

from ringlog.announcement import Addresses, announcement, read_announcement

ADDRESSES = Addresses(kafka="localhost:9092", grpc="localhost:9093")


def test_read_announcement_returns_the_addresses_of_an_announcement():
    lines = announcement(ADDRESSES, data_dir="./data").splitlines(keepends=True)
    assert read_announcement(["a line before\n", *lines]) == ADDRESSES


def test_announcement_has_the_bootstrap_address_and_a_command_to_try():
    text = announcement(ADDRESSES, data_dir="./data")
    assert "bootstrap.servers=localhost:9092" in text
    assert "try: echo hello | kcat -b localhost:9092" in text


def test_read_announcement_returns_none_for_incomplete_output():
    lines = announcement(ADDRESSES, data_dir="./data").splitlines()
    assert read_announcement(lines[:2]) is None
    assert read_announcement([]) is None
