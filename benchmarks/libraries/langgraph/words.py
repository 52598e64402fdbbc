"""LangGraph's words."""

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt

from benchmarks.libraries.face import Library

LIBRARY = Library("langgraph", StateGraph, START, END, Send, Command, interrupt)
