-- Passes when the chosen response of every pair has the higher penalised reward. One row per DPO
-- pair whose chosen response has no higher penalised reward than the rejected one, or whose margin
-- is not their difference. The published script's length penalty can reverse pairs in this way.
with

dpo_pairs as (select * from dpo_pairs),

differences as (
    select
        *,
        chosen_penalised_reward - rejected_penalised_reward as difference
    from dpo_pairs
),

-- NaN is greater than every number in DuckDB, and a comparison with null fails no check
judged as (
    select
        *,
        isfinite(difference)
            and difference > 0
            and abs(margin - difference) <= 1e-9 * greatest(1, difference) as ordered
    from differences
)

select
    experiment,
    iteration,
    prompt_id,
    chosen_penalised_reward,
    rejected_penalised_reward,
    margin
from judged
where not coalesce(ordered, false)
order by experiment, iteration, prompt_id
