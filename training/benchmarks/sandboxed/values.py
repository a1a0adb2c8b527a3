"""Values that a program and its tests exchange, as lines of JSON.

Plain values are copied: numbers, texts, None, and lists, tuples, sets and dicts of them; a subclass
becomes its plain type. Any other object stays in the program's process: the tests get its number.
So no code of the program runs in the tests' process, not even an `__eq__` of its own.
"""

import builtins
from collections.abc import Callable
from typing import Any

SCALARS = (bool, int, float, str)
COLLECTIONS = {kind.__name__: kind for kind in (list, tuple, set, frozenset)}


def pack(value: Any, refer: Callable[[Any], list]) -> Any:
    """Make a value of JSON from a value.

    Args:
        value: any object.
        refer: returns a pair of a tag and a reference for an object that is not plain.
    """
    if value is None or isinstance(value, SCALARS):
        return value
    for name, kind in COLLECTIONS.items():
        if isinstance(value, kind):
            return [name, [pack(item, refer) for item in value]]
    if isinstance(value, dict):
        return ["dict", [[pack(key, refer), pack(item, refer)] for key, item in value.items()]]
    if isinstance(value, complex):
        return ["complex", [value.real, value.imag]]
    if isinstance(value, bytes):
        return ["bytes", list(value)]
    for name, kind in vars(builtins).items():
        if value is kind and isinstance(kind, type):
            return ["type", name]
    return refer(value)


def unpack(packed: Any, find: Callable[[str, Any], Any]) -> Any:
    """Make the value from its JSON.

    Args:
        packed: value of JSON, which a hostile program may have made.
        find: returns the object of a tag and a reference (`pack`).
    """
    if not isinstance(packed, list):
        return packed
    tag, content = packed
    if tag in COLLECTIONS:
        return COLLECTIONS[tag](unpack(item, find) for item in content)
    if tag == "dict":
        return {unpack(key, find): unpack(item, find) for key, item in content}
    if tag == "complex":
        return complex(*content)
    if tag == "bytes":
        return bytes(content)
    if tag == "type" and isinstance(kind := getattr(builtins, content), type):
        return kind
    return find(tag, content)
