"""perdure and LangGraph side by side: the same graphs, the same data, the same durability."""
