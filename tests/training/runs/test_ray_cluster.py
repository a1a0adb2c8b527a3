"""Connecting to a Ray cluster and counting its places, with a stand-in for Ray."""

import signal
import sys
from types import SimpleNamespace

import pytest

from training.runs import ray_cluster
from transforms.errors import InputError


def test_places_are_counted_node_by_node(monkeypatch):
    nodes = [{"Alive": alive, "Resources": {"CPU": 16, "GPU": 8}} for alive in (True, True, False)]
    monkeypatch.setattr(ray_cluster, "connect", lambda: SimpleNamespace(nodes=lambda: nodes))
    assert ray_cluster.reserve(16, 1) == {"num_cpus": 1, "num_gpus": 1}
    assert ray_cluster.reserve(4, 3) == {"num_cpus": 1, "num_gpus": 3}
    with pytest.raises(InputError, match=r"too few GPUs(.|\n)*places for 4 on 2 nodes"):
        ray_cluster.reserve(5, 3)
    nodes[:] = [{"Alive": True, "Resources": {"CPU": 2}}]
    assert ray_cluster.reserve(2, 4) == {"num_cpus": 1, "num_gpus": 0}


def test_a_missing_package_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"prefloop\[cluster\]"):
        ray_cluster.connect()


def test_a_missing_cluster_is_refused_with_its_address(monkeypatch):
    def init(**options):
        raise ConnectionError("no answer")

    ray = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    with pytest.raises(InputError, match=r"no Ray cluster(.|\n)*head:6379: no answer"):
        ray_cluster.connect()


def test_connecting_keeps_what_a_process_does_at_its_end(monkeypatch):
    def init(**options):
        signal.signal(signal.SIGTERM, lambda *arguments: None)

    ray = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", ray)
    before = signal.getsignal(signal.SIGTERM)
    assert ray_cluster.connect() is ray
    assert signal.getsignal(signal.SIGTERM) == before
