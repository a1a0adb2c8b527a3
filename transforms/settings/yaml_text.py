"""Reading YAML that a person wrote, stricter than PyYAML's safe loader.

PyYAML keeps the last of two equal keys, builds mappings that contain themselves, reads 010 as 8 and
1:30 as 90, and raises a plain ValueError for an impossible date. Here each of them is a
`yaml.YAMLError` with its line.
"""

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")

AMBIGUOUS = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9_]+(?::[0-9_]+)+(?:\.[0-9_]*)?")
"""Numbers that YAML 1.1 reads with the base 8 or 60, and everyone else otherwise."""

Path = tuple[str | int, ...]
"""Keys and indices from the top of a document."""


class _Loader(yaml.SafeLoader):
    """The safe loader that refuses what a person cannot have meant."""

    def construct_document(self, node: yaml.Node) -> Any:
        """Build all levels at once; PyYAML then refuses a node that contains itself."""
        self.deep_construct = True
        return super().construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build one value, and give the line of one that is impossible."""
        if isinstance(node, yaml.ScalarNode) and node.tag in NUMBERS and _is_ambiguous(node):
            problem = f"{node.value} can be read as two numbers: write it without a leading 0 or :"
            raise ConstructorError(None, None, problem, node.start_mark)
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            raise ConstructorError(None, None, str(error), node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, and refuse a key that is there twice."""
        written = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        seen: set[tuple[str, str]] = set()
        for key in written:
            if (key.tag, key.value) in seen:
                problem = f"the key {key.value} is there twice"
                raise ConstructorError(None, None, problem, key.start_mark)
            seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep=deep)


def _is_ambiguous(node: yaml.ScalarNode) -> bool:
    return AMBIGUOUS.fullmatch(node.value) is not None and set(node.value) != {"0"}


def read_yaml(text: str) -> Any:
    """Read a YAML document.

    Raises:
        yaml.YAMLError: the text is not YAML, or a mapping has a key twice or contains itself.
    """
    return yaml.load(text, Loader=_Loader)


def find_lines(text: str) -> dict[Path, int]:
    """Return the line, counted from 1, on which each key and each item of a YAML document is.

    Raises:
        yaml.YAMLError: as in `read_yaml`.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    finally:
        loader.dispose()
    lines: dict[Path, int] = {}
    if node is not None:
        _add_lines(node, (), lines, set())
    return lines


def _add_lines(node: yaml.Node, path: Path, lines: dict[Path, int], seen: set[int]) -> None:
    if id(node) in seen:
        return  # an alias: the node has the line of its anchor
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        below = [(key.value, key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        below = [(number, item, item) for number, item in enumerate(node.value)]
    else:
        return
    for step, start, value in below:
        lines[*path, step] = start.start_mark.line + 1
        _add_lines(value, (*path, step), lines, seen)
