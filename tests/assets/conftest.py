"""A judge behind an address, for tests: verdicts by a function."""

import re
from collections.abc import Callable
from typing import Any

import pytest

ASKED = re.compile(
    r"<conversation>\n(.*?)\n</conversation>.*<response_a>\n(.*?)\n</response_a>"
    r".*<response_b>\n(.*?)\n</response_b>",
    re.S,
)

Prefer = Callable[[str, str, str], float]
"""(conversation, response A, response B) -> above 0 where A is better, 0 for a tie."""


@pytest.fixture(scope="session")
def serve_judge(serve_chat) -> Callable[[Prefer], str]:
    """Start a judge that prefers by a function; its address."""

    def serve(prefer: Prefer) -> str:
        def answer(body: dict[str, Any]) -> dict[str, Any]:
            preference = prefer(*ASKED.search(body["messages"][-1]["content"]).groups())
            mark = "A" if preference > 0 else "B" if preference < 0 else "C"
            message = {"role": "assistant", "content": f"Compared.\n[[{mark}]]"}
            return {"message": message, "finish_reason": "stop"}

        return serve_chat(answer)

    return serve
