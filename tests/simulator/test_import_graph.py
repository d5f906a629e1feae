"""No module of the local tools imports, by any way round, a module that imports it; types count as much as values."""

from __future__ import annotations

import graphlib

import grimp


def test_no_module_imports_itself_by_a_detour() -> None:
    # Given who imports whom, imports for type checkers included
    graph = grimp.build_graph("local", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert "local.bedrock_simulator.customization.job" in imports["local.bedrock_simulator.world"]

    # When they are put in an order in which each needs only what comes before it, then there is one
    order = list(graphlib.TopologicalSorter(imports).static_order())
    assert order.index("local.bedrock_simulator.world") < order.index("local.bedrock_simulator.simulator")
