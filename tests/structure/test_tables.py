"""Tables that must agree: protos and Python, routes and files, code and documents."""

import re
from pathlib import Path

import pytest

from common.config.settings import declared
from common.ports.metadata import TopicRefusal
from common.ports.partitions import Refusal
from gateway_svc.dispatch.error_codes import APPEND_ERRORS, PARTITION_ERRORS, TOPIC_ERRORS
from gateway_svc.routes import ROUTES
from protos.metadata.v1 import metadata_pb2
from protos.partition.v1 import partition_pb2
from ringlog.config import CLASSES
from ringlog.doc_tables import DOCUMENTS, with_current_tables

ROOT = Path(__file__).resolve().parents[2]


def _file_name(api_name: str) -> str:
    """Returns `list_offsets` for ListOffsets."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", api_name).lower()


@pytest.mark.parametrize(
    ("port_enum", "proto_enum", "prefix"),
    [
        (Refusal, partition_pb2.Refusal, "REFUSAL_"),
        (TopicRefusal, metadata_pb2.TopicRefusal, "TOPIC_REFUSAL_"),
    ],
    ids=["Refusal", "TopicRefusal"],
)
def test_refusals_have_the_same_names_and_numbers_in_python_and_proto(
    port_enum, proto_enum, prefix
):
    in_proto = {name.removeprefix(prefix): number for name, number in proto_enum.items()}
    assert in_proto.pop("UNSPECIFIED") == 0
    assert in_proto == {refusal.name: refusal.value for refusal in port_enum}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_tables_in_the_documents_are_current(name):
    document = (ROOT / name).read_text(encoding="utf-8")
    assert with_current_tables(document) == document, "run: make readme"


def test_every_route_has_its_api_file_and_its_handler_file():
    for route in ROUTES.values():
        name = _file_name(route.api.name)
        assert (ROOT / "gateway_svc/wire/apis" / f"{name}.py").is_file()
        handlers = ROOT / "gateway_svc/handlers"
        assert any((handlers / path).is_file() for path in (f"{name}.py", f"{name}/handler.py"))


def test_every_api_file_is_served():
    files = {path.stem for path in (ROOT / "gateway_svc/wire/apis").glob("[a-z]*.py")}
    assert files == {_file_name(route.api.name) for route in ROUTES.values()}


@pytest.mark.parametrize(
    ("refusals", "table"),
    [(Refusal, PARTITION_ERRORS), (Refusal, APPEND_ERRORS), (TopicRefusal, TOPIC_ERRORS)],
    ids=["partition", "append", "topic"],
)
def test_every_refusal_has_an_error_code(refusals, table):
    assert set(table) == set(refusals)
    assert all(table.values()), "a refusal must not have the code NONE"


@pytest.mark.parametrize("cls", CLASSES)
def test_every_default_is_a_value_that_its_setting_accepts(cls):
    for setting in declared(cls):
        if setting.default is not None:
            assert setting.parse(setting.default) == setting.default


def test_services_that_share_a_setting_agree_on_it():
    kinds = {}
    for setting in (setting for cls in CLASSES for setting in declared(cls)):
        kind = (setting.kind, setting.unit)
        assert kinds.setdefault(setting.name, kind) == kind, setting.name
