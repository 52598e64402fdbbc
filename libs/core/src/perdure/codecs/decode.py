"""Trees to values: stored bytes are data. Nothing is imported by a stored name and no constructor of a user type runs.

Every failure is a `DecodeError`, whatever the bytes: this is the seam where untrusted input ends. An unknown tag, or a
type that nobody registered, is no failure: it becomes `Opaque`.
"""

from collections.abc import Callable, Mapping
from typing import Final

from perdure.codecs import arrays, failures
from perdure.codecs.opaque import Opaque
from perdure.codecs.registry import registration_named
from perdure.codecs.tags import BUILDERS, Built
from perdure.codecs.tree import DEPTH_READ, TAG, JsonTree, height
from perdure.errors import DecodeError
from perdure.events import Value

_ATOMS: Final = frozenset({str, int, float, bool, type(None)})


def decode(tree: JsonTree, depth: int) -> Value:
    """Return the value of a tree that stands `depth` levels deep; raise DecodeError."""
    if depth > DEPTH_READ:
        raise DecodeError(f"A stored value is nested deeper than {DEPTH_READ} levels.")
    if isinstance(tree, dict):
        if TAG in tree:
            return _tagged(tree, depth)
        # Copy, then mend what is no leaf: that is faster than building the dict anew.
        mapping: dict[str, Value] = tree.copy()
        for key, item in tree.items():
            if type(item) not in _ATOMS:
                mapping[key] = decode(item, depth + 1)
        return mapping
    if isinstance(tree, list):
        return [item if type(item) in _ATOMS else decode(item, depth + 1) for item in tree]
    if type(tree) in _ATOMS:
        return tree
    raise DecodeError(f"A stored value holds a {type(tree).__name__}, which is no JSON.")


def _tagged(tree: Mapping[str, JsonTree], depth: int) -> Value:
    tag = tree[TAG]
    if type(tag) is not str:
        raise DecodeError(f"A stored tag is text, not {tag!r:.80}.")
    if tag == "object":
        return _object(tree, depth)
    built = _BUILDERS.get(tag)
    if built is None or (tag in _ARRAYS and not arrays.can_read()):
        return _opaque(tag, tree, depth)
    if len(tree) != 2 or "v" not in tree:
        raise DecodeError(f"The stored tag {tag!r} has the keys {sorted(tree)!r:.80}, expected '$' and 'v'.")
    payload = decode(tree["v"], depth + 1)
    expected = built.payload if isinstance(built.payload, tuple) else (built.payload,)
    if type(payload) not in expected:
        raise DecodeError(f"The stored tag {tag!r} holds a {type(payload).__name__}.")
    return _guard(f"The stored {tag}", built.build, payload)


def _object(tree: Mapping[str, JsonTree], depth: int) -> Value:
    name, version = tree.get("type"), tree.get("version")
    if type(name) is not str or type(version) is not int or "v" not in tree or tree.keys() - _OBJECT_KEYS:
        raise DecodeError(f"A stored object has a type, a version and a payload, not {sorted(tree)!r:.80}.")
    registration = registration_named(name)
    if registration is None or registration.shape is None:
        return _opaque("object", tree, depth)
    payload = decode(tree["v"], depth + 1)
    beside = decode(tree.get("x", {}), depth + 1)
    shape, current = registration.shape, registration.current

    def build(stored: Value) -> Value:
        return shape.build(current(version, stored), beside)

    return _guard(f"The stored {name!r:.200} (version {version})", build, payload)


def _opaque(tag: str, tree: Mapping[str, JsonTree], depth: int) -> Opaque:
    if depth + height(dict(tree)) > DEPTH_READ:
        raise DecodeError(f"A stored value is nested deeper than {DEPTH_READ} levels.")
    return _guard(f"The stored tag {tag!r:.80}", lambda stored: Opaque(tag, dict(stored)), tree)  # type: ignore[no-any-return]


def _guard(what: str, build: Callable[[Value], Value], payload: Value) -> Value:
    """Run one builder; whatever it raises on hostile or outdated data is a DecodeError."""
    try:
        return build(payload)
    except DecodeError:
        raise
    except Exception as exc:
        raise DecodeError(f"{what} cannot be rebuilt: {type(exc).__name__}: {exc!s:.300}") from exc


_ARRAYS: Final = (arrays.ARRAY, arrays.SCALAR)

_OBJECT_KEYS: Final = frozenset({TAG, "type", "version", "v", "x"})

_BUILDERS: Final[Mapping[str, Built]] = {
    **BUILDERS,
    "exception": Built(dict, failures.build_failure),
    arrays.ARRAY: Built(list, arrays.build_array),
    arrays.SCALAR: Built(list, arrays.build_scalar),
}
