"""The generated tables in the documents; `make readme` writes them.

A table is between `<!-- table: NAME -->` and `<!-- end -->`; all other text stays as it is.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from common.config.settings import Setting, as_text, declared
from common.runtime.process import ProcessSettings
from gateway_svc.config import GatewaySettings
from gateway_svc.routes import ROUTES
from metadata_svc.config import MetadataSettings, TopicDefaults
from metadata_svc.store_config import StoreSettings
from partition_svc.config import PartitionSettings
from ringlog.config import StandaloneSettings

#: Paths relative to the root of the repository.
DOCUMENTS: Final = ("README.md", "docs/operations.md")

_BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Writes every table in every document below the working directory."""
    for name in DOCUMENTS:
        path = Path(name)
        path.write_text(with_current_tables(path.read_text(encoding="utf-8")), encoding="utf-8")


def with_current_tables(document: str) -> str:
    """Returns `document` with current tables. Raises KeyError for the name of no table."""
    tables = _tables()
    return _BLOCK.sub(lambda block: f"{block[1]}{tables[block[2]]}\n{block[3]}", document)


def _tables() -> dict[str, str]:
    return {
        "apis": _apis(),
        "standalone-settings": _settings(StandaloneSettings),
        "gateway-settings": _settings(GatewaySettings),
        "partition-settings": _settings(PartitionSettings),
        "metadata-settings": _settings(MetadataSettings),
        "metadata-store-settings": _settings(StoreSettings),
        "topic-defaults": _settings(TopicDefaults),
        "process-settings": _settings(ProcessSettings),
    }


def _apis() -> str:
    apis = sorted((route.api for route in ROUTES.values()), key=lambda api: api.key)
    rows = ([str(api.key), api.name, f"{api.version_min}–{api.version_max}"] for api in apis)  # noqa: RUF001 - a range
    return _table(["key", "API", "versions"], rows)


def _settings(cls: type[Any]) -> str:
    rows = (
        [f"`{setting.name}`", _default(setting), setting.allowed, setting.doc]
        for setting in declared(cls)
    )
    return _table(["setting", "default", "takes", "what it does"], rows)


def _default(setting: Setting) -> str:
    text = as_text(setting.default)
    return f"`{text}`" if text else "–"  # noqa: RUF001 - an empty cell


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    main()
