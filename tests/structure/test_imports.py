"""Modules import each other in one direction; `lint-imports` checks layers, this test modules."""

from graphlib import CycleError, TopologicalSorter

import grimp

PACKAGES = ("common", "gateway_svc", "metadata_svc", "partition_svc", "ringlog")


def test_no_modules_import_each_other_in_a_cycle():
    """Includes imports for the type checker only, which also make modules depend on each other."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False)
    imports = {
        module: graph.find_modules_directly_imported_by(module)
        for module in graph.modules
        if not graph.find_children(module)
    }
    cycle = []
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        cycle = error.args[1]
    assert not cycle
