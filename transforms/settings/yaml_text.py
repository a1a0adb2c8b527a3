"""Reading YAML that a person wrote, stricter than PyYAML's safe loader.

PyYAML keeps the last of two equal keys, builds mappings that contain themselves, and raises a plain
ValueError for an impossible date. Here each of them is a `yaml.YAMLError` with its line.
"""

from typing import Any

import yaml
from yaml.constructor import ConstructorError


class _Loader(yaml.SafeLoader):
    """The safe loader that refuses what a person cannot have meant."""

    def construct_document(self, node: yaml.Node) -> Any:
        """Build all levels at once; PyYAML then refuses a node that contains itself."""
        self.deep_construct = True
        return super().construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Build one value, and give the line of one that is impossible."""
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


def read_yaml(text: str) -> Any:
    """Read a YAML document.

    Raises:
        yaml.YAMLError: the text is not YAML, or a mapping has a key twice or contains itself.
    """
    return yaml.load(text, Loader=_Loader)
