"""How a graph is defined, and the blueprint that defining it ends in."""
