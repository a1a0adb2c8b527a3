"""Which operations of a training give other results with another number of threads, or repeated.

One JSON line per operation: the largest difference from one thread, by threads, and whether five
repetitions with two threads are equal.

    python bench/reliability/threads.py
"""

import json
from collections.abc import Callable

import torch
from torch.nn import functional

THREADS = (1, 2, 3, 4)
REPETITIONS = 5

Operation = Callable[[], torch.Tensor]


def compute(threads: int, operation: Operation) -> torch.Tensor:
    """Compute a result with a number of threads."""
    torch.set_num_threads(threads)
    return operation()


def differentiate(operation: Operation, *inputs: torch.Tensor) -> Operation:
    """Return the gradients of the sum of squares of a result."""

    def gradients() -> torch.Tensor:
        found = torch.autograd.grad(operation().pow(2).sum(), inputs)
        return torch.cat([one.flatten() for one in found])

    return gradients


def list_operations() -> dict[str, Operation]:
    """Return the operations, by name."""
    made = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=made).requires_grad_()

    found: dict[str, Operation] = {}
    for rows, inner, columns in ((960, 128, 512), (512, 8192, 128), (4096, 512, 1024)):
        a, b = draw(rows, inner), draw(inner, columns)
        found[f"matrix product {rows}x{inner}x{columns}"] = lambda a=a, b=b: a @ b
    for shape in ((40_000,), (400_000,), (8192, 128)):
        x = draw(*shape)
        found[f"sum of {shape}"] = lambda x=x: x.sum()
        found[f"norm of {shape}"] = lambda x=x: x.norm()
    x, weight = draw(2048, 128), draw(128)
    found["sum over rows"] = lambda: x.sum(0)
    found["layer normalisation, backward"] = differentiate(
        lambda: functional.layer_norm(x, (128,), weight), weight
    )
    table, tokens = draw(512, 128), torch.randint(512, (8000,), generator=made)
    found["embedding, backward"] = differentiate(lambda: functional.embedding(tokens, table), table)
    logits, labels = draw(4000, 512), torch.randint(512, (4000,), generator=made)
    found["cross entropy, backward"] = differentiate(
        lambda: functional.cross_entropy(logits, labels), logits
    )
    q, k, v = (draw(16, 4, 64, 32) for _ in range(3))
    found["attention, backward"] = differentiate(
        lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=True), q, k, v
    )
    return found


def main() -> None:
    """Print one line per operation."""
    for name, operation in list_operations().items():
        results = {threads: compute(threads, operation) for threads in THREADS}
        again = [compute(2, operation) for _ in range(REPETITIONS)]
        line = {
            "operation": name,
            "difference": {
                threads: float((result - results[1]).abs().max().detach())
                for threads, result in results.items()
            },
            "repetitions_equal": all(torch.equal(results[2], one) for one in again),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
