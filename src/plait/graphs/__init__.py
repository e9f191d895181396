"""Pictures of chains: graphs of nodes and edges, as text, Mermaid, SVG and PNG; made without running anything."""

from plait.graphs.build import graph_of
from plait.graphs.graph import Edge, Graph, Node
from plait.graphs.mermaid import CurveStyle, NodeStyles

__all__ = ["CurveStyle", "Edge", "Graph", "Node", "NodeStyles", "graph_of"]
