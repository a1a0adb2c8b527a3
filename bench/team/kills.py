"""Kills of the driver at random moments of an undisturbed run, and what each cost."""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from bench.team.driver import Attempt, Driver


@dataclass(frozen=True)
class Moment:
    """A place in an undisturbed run: some seconds after the start of an asset."""

    asset: str
    after_s: float


@dataclass(frozen=True)
class Kill:
    """What a kill of the driver cost."""

    asset: str
    """The asset that was being made."""
    age_s: float
    """Seconds since its start."""
    ended_s: float
    """Seconds until all processes of the driver had ended."""
    back_s: float
    """Seconds from the start of the next driver to the start of this asset."""
    again_s: float
    """Seconds that the next driver took for the asset; 0 if it was killed, too, before the end."""
    before: str
    """What the asset began with: missing rows, or the first step that it logged."""
    after: str
    """What it began with in the next driver."""


def draw_moments(seconds: Mapping[str, float], kills: int, draw: random.Random) -> list[Moment]:
    """Draw one moment in each of `kills` equal parts of a run.

    Args:
        seconds: seconds of the run's assets, in order.
        kills: number of moments.
        draw: the random numbers.
    """
    total = sum(seconds.values())
    moments = []
    for number in range(kills):
        due, ends = (number + draw.random()) / kills * total, accumulate(seconds.values())
        asset, end = next(pair for pair in zip(seconds, ends, strict=True) if due <= pair[1])
        moments.append(Moment(asset, round(due - (end - seconds[asset]), 1)))
    return moments


def run_killed(
    driver: Driver, moments: Sequence[Moment], order: Sequence[str]
) -> tuple[list[Kill], float]:
    """Run a driver, kill it at every moment and start it again, until it ends by itself.

    A moment whose asset is made already is that time after the start of the next asset. An asset
    that takes less time than in the undisturbed run is killed no later than the next one starts.

    Args:
        driver: the driver.
        moments: the moments, in the order of the run.
        order: the assets in that order.

    Returns:
        The kills, and the seconds of all drivers together. A driver that ends before its moment
        is not killed.
    """
    attempts, ended = [], []
    for moment in moments:
        with driver.start() as attempt:
            if _wait(attempt, moment, order):
                ended.append(attempt.kill())
                print(f"kill {len(ended)}: in {[*attempt.started_s][-1]}", flush=True)
        attempts.append(attempt)
        if len(ended) < len(attempts):
            attempt.require_success()
            break
    else:
        attempts.append(driver.run())
    pairs = zip(attempts[:-1], attempts[1:], ended, strict=True)
    kills = [_describe(killed, following, seconds) for killed, following, seconds in pairs]
    return kills, round(sum(attempt.ended_s for attempt in attempts), 1)


def _wait(attempt: Attempt, moment: Moment, order: Sequence[str]) -> bool:
    """Wait for a moment, or the start of the next asset; return whether the driver still runs."""
    wanted = set(order[order.index(moment.asset) :])
    while attempt.is_running() and not wanted & attempt.started_s.keys():
        time.sleep(0.1)
    due = time.monotonic() + moment.after_s
    while (
        attempt.is_running()
        and time.monotonic() < due
        and len(wanted & attempt.started_s.keys()) == 1
    ):
        time.sleep(0.1)
    return attempt.is_running()


def _describe(killed: Attempt, following: Attempt, ended_s: float) -> Kill:
    asset, started_s = [*killed.started_s.items()][-1]
    return Kill(
        asset=asset,
        age_s=round(killed.ended_s - started_s, 1),
        ended_s=ended_s,
        back_s=following.started_s.get(asset, 0.0),
        again_s=following.read_seconds().get(asset, 0.0),
        before=killed.find_left(asset),
        after=following.find_left(asset),
    )
