"""The engine: flows that run a graph, and the drivers that wait for them."""
