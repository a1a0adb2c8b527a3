-- One row per experiment, iteration and stage: the sum of the costs of its materializations.
-- elapsed_s: computing time of the stages in seconds, finished runs only; rows: responses, pairs,
-- or examples over all epochs; tokens: sampled or trained on; bytes: written to the lake, including
-- checkpoints; share: share of all seconds of the lake. Iteration 0 means outside the loop.
-- There are rows once an asset is materialized.
with

costs as (select * from costs),

stages as (
    select
        *,
        coalesce(try_cast(regexp_extract(asset, '^iteration_(\d+)/', 1) as integer), 0) as iteration,
        regexp_replace(asset, '^iteration_\d+/', '') as stage
    from costs
),

summed as (
    select
        experiment,
        iteration,
        stage,
        count(*) as materializations,
        sum(elapsed_s) as elapsed_s,
        sum("rows")::bigint as "rows",
        sum(tokens)::bigint as tokens,
        sum(tokens) / nullif(sum(elapsed_s) filter (tokens is not null), 0) as tokens_per_s,
        sum(bytes)::bigint as bytes,
        min(commit_version) as first_made
    from stages
    group by experiment, iteration, stage
)

select
    * exclude (first_made),
    elapsed_s / nullif(sum(elapsed_s) over (), 0) as share
from summed
order by experiment, iteration, first_made, stage
