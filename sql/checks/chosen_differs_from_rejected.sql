-- One row per pair whose chosen and rejected texts are equal: there is nothing to learn from it.
-- Comparisons have experiment shared, iteration 0.
with

preference_pairs as (select * from preference_pairs),

dpo_pairs as (select * from dpo_pairs),

pairs as (
    select
        'preference_pairs' as "table", 'shared' as experiment, 0 as iteration, prompt_id, chosen,
        rejected
    from preference_pairs
    union all
    select 'dpo_pairs' as "table", experiment, iteration, prompt_id, chosen, rejected
    from dpo_pairs
)

select "table", experiment, iteration, prompt_id, chosen[1].content as response
from pairs
where chosen = rejected
order by all
