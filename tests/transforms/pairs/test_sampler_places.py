from transforms.pairs.sampler_places import list_places, number_samplers

MIX = [
    {"policy": "current", "n": 2, "temperature": 1.0, "top_p": 1.0},
    {"policy": "previous", "n": 1, "temperature": 0.7, "top_p": 0.9},
    {"policy": "current", "n": 1, "temperature": 0.7, "top_p": 1.0},
]


def test_samplers_divide_the_responses_of_a_prompt_in_their_order():
    draws = number_samplers(MIX)
    assert [(draw.sampler, draw.first_index, draw.n) for draw in draws] == [
        (0, 0, 2), (1, 2, 1), (2, 3, 1),
    ]  # fmt: skip


def test_an_engine_serves_the_samplers_of_its_policy():
    current = [draw for draw in number_samplers(MIX) if draw.policy == "current"]
    rows = list_places(current).select("drawn_index", "response_index", "sampler", "sampler_policy")
    assert rows.rows() == [(0, 0, 0, "current"), (1, 1, 0, "current"), (2, 3, 2, "current")]
