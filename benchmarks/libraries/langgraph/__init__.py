"""LangGraph, as the workloads see it: its words, and its savers, one for each API."""
