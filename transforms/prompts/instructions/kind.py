"""A kind of verifiable instruction: its sentence, its parameters, its check and an example.

Not here: the kinds (`transforms.prompts.instructions.registry`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Value = int | str
"""Value of a parameter."""


@dataclass(frozen=True)
class InstructionKind:
    """One kind of instruction. Its functions take the parameters as keywords."""

    name: str
    """Value of `kind` in a reference."""
    sentence: str
    """What a prompt says; `{words}` stands for the value of the parameter `words`."""
    check: Callable[..., bool]
    """Whether a response follows the instruction: check(response, words=50)."""
    example: Callable[..., str]
    """A response that follows the instruction: example(words=50)."""
    parameters: Mapping[str, Sequence[Value]] = field(default_factory=dict)
    """The values that each parameter is drawn from."""
    groups: frozenset[str] = frozenset()
    """What the instruction decides, such as `length`. Two kinds with a common group exclude each
    other: no response could follow both."""

    def write_sentence(self, values: Mapping[str, Value]) -> str:
        """Write the sentence with these values."""
        return self.sentence.format(**values)

    def excludes(self, other: "InstructionKind") -> bool:
        """Check whether no prompt has both kinds."""
        return bool(self.groups & other.groups)
