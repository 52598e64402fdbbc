"""perdure's words."""

from benchmarks.libraries.face import Library
from perdure import END, START, Command, Send, StateGraph, interrupt

LIBRARY = Library("perdure", StateGraph, START, END, Send, Command, interrupt)
