"""Modules import each other in one direction; `lint-imports` checks the layers, this the rest."""

from graphlib import CycleError, TopologicalSorter

import grimp

PACKAGES = ("common", "gateway_svc", "metadata_svc", "partition_svc", "ringlog")


def test_no_modules_import_each_other_in_a_circle():
    """Also where an import is only for the type checker: such modules are understood together."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False)
    imports = {
        module: graph.find_modules_directly_imported_by(module)
        for module in graph.modules
        if not graph.find_children(module)
    }
    circle = []
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert not circle
