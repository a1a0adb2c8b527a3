-- One row per experiment, iteration, ranker and cell: the number of responses by how far their length
-- and their reward are from the means of their prompt's responses. Pairs are made from these
-- differences. The 24 by 24 cells cover, in each direction, the 99 % of an experiment's responses
-- nearest to the means. Other responses, and prompts with one response, are left out. Units:
-- characters, and the ranker's.
-- There are rows once responses are scored (asset iteration_1/scores).
with

scored_responses as (select * from scored_responses where reward is not null),

centred as (
    select
        experiment,
        iteration,
        ranker,
        response_chars - avg(response_chars) over prompt as chars,
        reward - avg(reward) over prompt as reward,
        count(*) over prompt as responses
    from scored_responses
    window prompt as (partition by experiment, iteration, ranker_id, prompt_id)
),

compared as (select * from centred where responses > 1),

bounds as (
    select
        experiment,
        ranker,
        quantile_cont(abs(chars), 0.99) as chars_limit,
        quantile_cont(abs(reward), 0.99) as reward_limit
    from compared
    group by experiment, ranker
),

placed as (
    select
        compared.experiment,
        compared.iteration,
        compared.ranker,
        2 * bounds.chars_limit / 24 as chars_width,
        2 * bounds.reward_limit / 24 as reward_width,
        least(floor((compared.chars + chars_limit) / chars_width), 23)::int as chars_cell,
        least(floor((compared.reward + reward_limit) / reward_width), 23)::int as reward_cell
    from compared
    inner join bounds
        on bounds.experiment = compared.experiment
        and bounds.ranker is not distinct from compared.ranker
    where abs(compared.chars) <= chars_limit
        and abs(compared.reward) <= reward_limit
        and chars_limit > 0
        and reward_limit > 0
)

select
    experiment,
    iteration,
    ranker,
    (chars_cell - 12) * chars_width as chars_from,
    (chars_cell - 11) * chars_width as chars_to,
    (reward_cell - 12) * reward_width as reward_from,
    (reward_cell - 11) * reward_width as reward_to,
    count(*) as responses
from placed
group by all
order by experiment, iteration, ranker, chars_from, reward_from
