-- One row per experiment, iteration, ranker and bin: the distribution of the rewards of its sampled
-- responses. An experiment's iterations share thirty bins of equal width, from the lowest reward to
-- the highest; bins without a response are left out. The last bin includes its upper edge. Unit:
-- the ranker's.
-- There are rows once responses are scored (asset iteration_1/scores).
with

scores as (select * from scores where reward is not null),

bounds as (
    select
        experiment,
        ranker,
        min(reward) as low,
        if(max(reward) > min(reward), max(reward) - min(reward), 1) / 30 as width
    from scores
    group by experiment, ranker
),

binned as (
    select
        scores.experiment,
        scores.iteration,
        scores.ranker,
        bounds.low,
        bounds.width,
        least(floor((scores.reward - bounds.low) / bounds.width), 29)::int as bin
    from scores
    inner join bounds
        on bounds.experiment = scores.experiment
        and bounds.ranker is not distinct from scores.ranker
)

select
    experiment,
    iteration,
    ranker,
    low + bin * width as reward_from,
    low + (bin + 1) * width as reward_to,
    count(*) as responses
from binned
group by experiment, iteration, ranker, low, width, bin
order by experiment, iteration, ranker, bin
