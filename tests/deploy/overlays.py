"""Copies of the overlay `production`, changed as docs/operations.md describes."""

from pathlib import Path

from tests.deploy.manifests import K8S

#: A change of the overlay's text: the old and the new text.
Change = tuple[str, str]

_PER_GATEWAY = "components/load-balancer-per-gateway"

SINGLE_LOAD_BALANCER: tuple[Change, ...] = (
    ("load-balancer-per-gateway", "single-load-balancer"),
    ("gateway-$(RINGLOG_NODE_ID).kafka.example.com", "kafka.example.com"),
)
METADATA_ON_ETCD: tuple[Change, ...] = (
    (_PER_GATEWAY, f"{_PER_GATEWAY}\n  - ../../components/metadata-on-etcd"),
    ("name: metadata|partition", "name: partition"),
)


def in_namespace(name: str) -> Change:
    """Returns the change that installs into another namespace."""
    return "namespace: ringlog", f"namespace: {name}"


def write_production(folder: Path, *changes: Change) -> Path:
    """Writes a changed copy of `overlays/production` into `folder`, and returns `folder`."""
    text = (K8S / "overlays" / "production" / "kustomization.yaml").read_text()
    for before, after in (*changes, ("../../", f"{_up(folder)}{K8S.relative_to('/')}/")):
        assert before in text
        text = text.replace(before, after)
    (folder / "kustomization.yaml").write_text(text)
    return folder


def _up(folder: Path) -> str:
    """Returns the relative path from a folder to the root: kustomize accepts no absolute paths."""
    return "../" * len(folder.resolve().relative_to("/").parts)
