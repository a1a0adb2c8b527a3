-- Passes when the two responses of every pair have different texts. One row per pair whose chosen
-- and rejected texts are equal: there is nothing to learn from it. Comparisons have experiment
-- shared, iteration 0.
with

measured_preference_pairs as (select * from measured_preference_pairs),

dpo_pairs as (select * from dpo_pairs),

same as (
    select
        'preference_pairs' as "table", 'shared' as experiment, 0 as iteration, prompt_id,
        same_text as response
    from measured_preference_pairs
    where same_text is not null
    union all
    select
        'dpo_pairs' as "table", experiment, iteration, prompt_id, chosen[1].content as response
    from dpo_pairs
    where chosen = rejected
)

select * from same
order by all
