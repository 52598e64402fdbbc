"""Values to bytes and back: JSON, tags for what JSON cannot hold, a registry for the application's own types."""

from perdure.codecs.failures import RemoteError
from perdure.codecs.opaque import Opaque
from perdure.codecs.own import register_own_types
from perdure.codecs.reachable import register_reachable
from perdure.codecs.registry import register_type
from perdure.codecs.tree import JsonTree
from perdure.codecs.values import dumps, from_tree, loads, to_tree

__all__ = [
    "JsonTree",
    "Opaque",
    "RemoteError",
    "dumps",
    "from_tree",
    "loads",
    "register_own_types",
    "register_reachable",
    "register_type",
    "to_tree",
]
