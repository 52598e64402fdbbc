"""Where two values differ, by their stored form."""

from perdure.codecs import dumps
from perdure.events import Value


def first_difference(expected: Value, found: Value, path: str = "$") -> str | None:
    """Return the path of the first place where two values would not be stored alike, or None.

    Paths read `$.messages[1].text`.
    """
    if dumps(expected) == dumps(found):
        return None
    if type(expected) is dict and type(found) is dict:
        return _in_dicts(expected, found, path)
    if type(expected) is list and type(found) is list:
        for index, (one, other) in enumerate(zip(expected, found, strict=False)):
            deeper = first_difference(one, other, f"{path}[{index}]")
            if deeper is not None:
                return deeper
    return path


def _in_dicts(expected: dict[Value, Value], found: dict[Value, Value], path: str) -> str:
    for key in [*expected, *(key for key in found if key not in expected)]:
        inner = f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{key!r}]"
        if key not in expected or key not in found:
            return inner
        deeper = first_difference(expected[key], found[key], inner)
        if deeper is not None:
            return deeper
    return path  # the order of the keys
