"""Rules of the tree: each module has a test file at the same path, and files stay readable."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("common", "gateway_svc", "metadata_svc", "partition_svc", "ringlog")

#: Modules without a test file of their own, and the reasons.
UNTESTED_ALONE = {
    "common/client/owner.py": "declarations; test_partitions.py tests their users",
    "common/ports/classic_groups.py": "declarations; tests/contracts tests their implementations",
    "common/ports/consumer_groups.py": "declarations; tests/contracts tests their implementations",
    "common/ports/coordinators.py": "declarations; tests/contracts tests their implementations",
    "common/ports/group_offsets.py": "declarations; tests/contracts tests their implementations",
    "common/ports/group_errors.py": "declarations; tests/contracts tests their implementations",
    "common/ports/metadata.py": "declarations; tests/contracts tests their implementations",
    "common/ports/moves.py": "declarations; tests/contracts tests their implementations",
    "common/ports/partitions.py": "declarations; tests/contracts tests their implementations",
    "common/ports/unavailable.py": "declares one exception",
    "gateway_svc/wire/violations.py": "declares one exception",
    "partition_svc/coordinator/records/result.py": "declarations; tests/simulation",
    "partition_svc/coordinator/deadlines.py": "declares one constant",
    "partition_svc/coordinator/settings.py": "declares limits; each is tested where it holds",
    "partition_svc/coordinator/records/stored_consumer.py": "declarations; test_consumer_records",
    "partition_svc/coordinator/records/stored.py": "declarations; test_group_records.py",
    "common/records/errors.py": "declares two exceptions",
}

#: Files longer than LINES_MAX, and the reasons.
LONG_FILES: dict[str, str] = {}
LINES_MAX = 300
#: Test files may be longer: they are a sequence of independent cases.
TEST_LINES_MAX = 450

#: Spelled in pieces, so that this file does not match its own pattern.
MACHINE_PATHS = re.compile(
    "|".join(["/" + "work/", "/" + "farm/", "/" + "root/", "/" + r"home/\w", "/opt/" + "wheels"])
)
#: Makefile and .ci/run have no suffix.
TEXT_SUFFIXES = ("", ".md", ".proto", ".py", ".toml", ".txt", ".yaml")
LEFTOVERS = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]))


def _files(suffix: str = "") -> list[Path]:
    """Returns the project's files, relative to the root, except generated ones."""
    files: list[Path] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if _is_project_folder(name)]
        paths = (Path(folder, name).relative_to(ROOT) for name in names)
        files += [path for path in paths if path.suffix == suffix or not suffix]
    return sorted(path for path in files if "_pb2" not in path.name)


def _is_project_folder(folder: str) -> bool:
    is_generated = folder in ("data", "build", "__pycache__", "venv") or folder.endswith(
        ".egg-info"
    )
    return not is_generated and (folder == ".ci" or not folder.startswith("."))


def _modules() -> list[Path]:
    paths = (path for path in _files(".py") if path.parts[0] in PACKAGES)
    return [path for path in paths if path.name not in ("__init__.py", "__main__.py")]


def _test_path(module: Path) -> Path:
    return Path("tests/unit", module.parent, f"test_{module.name}")


def test_every_module_has_its_test_file():
    missing = [
        str(module)
        for module in _modules()
        if str(module) not in UNTESTED_ALONE and not (ROOT / _test_path(module)).is_file()
    ]
    assert not missing


def test_every_unit_test_file_has_its_module():
    expected = {str(_test_path(module)) for module in _modules()}
    tests = [path for path in _files(".py") if path.name.startswith("test_")]
    unit_tests = [path for path in tests if path.parts[1] == "unit" and path.parts[2] in PACKAGES]
    assert not [str(path) for path in unit_tests if str(path) not in expected]


@pytest.mark.parametrize("listed", [UNTESTED_ALONE, LONG_FILES], ids=["untested", "long"])
def test_listed_exceptions_are_still_needed_and_have_reasons(listed):
    modules = {str(path) for path in _files(".py")}
    assert not [path for path in listed if path not in modules]
    assert all(len(reason) > 10 for reason in listed.values())
    assert not [path for path in UNTESTED_ALONE if (ROOT / _test_path(Path(path))).is_file()]
    assert not [path for path in LONG_FILES if _line_count(Path(path)) <= LINES_MAX]


def test_no_file_is_too_long_to_read():
    long = [
        f"{path}: {_line_count(path)} lines"
        for path in _files(".py")
        if str(path) not in LONG_FILES
        and _line_count(path) > (TEST_LINES_MAX if path.parts[0] == "tests" else LINES_MAX)
    ]
    assert not long


def _line_count(path: Path) -> int:
    return len((ROOT / path).read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, LEFTOVERS], ids=["machine paths", "leftovers"])
def test_no_file_holds_what_belongs_to_one_machine_or_one_moment(pattern):
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in _files()
        if path.suffix in TEXT_SUFFIXES
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found


def test_every_link_in_the_documents_points_to_a_file():
    documents = [path for path in _files(".md") if path.parts[0] != "tests"]
    links = [
        (document, link)
        for document in documents
        for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", (ROOT / document).read_text())
    ]
    assert links
    broken = [
        f"{document}: {link}"
        for document, link in links
        if not (ROOT / document.parent / link).exists()
    ]
    assert not broken


def test_every_path_that_the_documents_name_exists():
    named = {
        name
        for document in _files(".md")
        for name in re.findall(r"`([a-z_]+/[\w/]+\.py)`", (ROOT / document).read_text())
    }
    assert named
    assert not [name for name in sorted(named) if not _is_existing_path(name)]


def _is_existing_path(name: str) -> bool:
    """True if the path exists below the root or below a package (`net/connection.py`)."""
    return any((ROOT / start / name).is_file() for start in ("", *PACKAGES))


#: Folders of more than FOLDER_MODULES_MAX modules, which hold one module per Kafka API.
API_FOLDERS = ("gateway_svc/handlers", "gateway_svc/wire/apis")
FOLDER_MODULES_MAX = 16


def test_folders_have_few_modules():
    modules = Counter(str(path.parent) for path in _modules())
    large = {folder for folder, count in modules.items() if count > FOLDER_MODULES_MAX}
    assert large <= set(API_FOLDERS)


def test_no_public_class_name_is_defined_twice():
    """Except for the messages of Kafka's APIs, which have Kafka's names."""
    defined = Counter(
        name
        for path in _modules()
        if "apis" not in path.parts
        for name in re.findall(r"^class ([A-Z]\w*)", (ROOT / path).read_text(), re.MULTILINE)
    )
    assert not [name for name, count in defined.items() if count > 1]
