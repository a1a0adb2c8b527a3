"""Threads that work on a few items at a time."""

import threading

import pytest

from transforms.workers import WORKERS, map_in_order


def test_results_come_in_order_and_few_items_are_taken_ahead():
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    release = threading.Event()

    def work(number):
        if number == 0:
            release.wait(0.05)  # the first is the last to be done
        return number * number

    results = map_in_order(work, items())
    assert next(results) == 0
    assert len(taken) <= WORKERS + 1
    assert list(results) == [number * number for number in range(1, 20)]


def test_an_error_comes_out_where_its_result_would():
    results = map_in_order(lambda number: 1 // number, [1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
