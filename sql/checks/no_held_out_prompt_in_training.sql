-- Passes when no training table has an evaluation, validation or promotion prompt. One row per such
-- prompt in a training table, with the number of times. Tables outside the loop have experiment
-- shared, iteration 0.
with

prompt_splits as (select * from prompt_splits),

demonstrations as (select * from demonstrations),

preference_pairs as (select * from preference_pairs),

generations as (select * from generations),

dpo_pairs as (select * from dpo_pairs),

preference_labels as (select * from preference_labels),

held_out as (
    select distinct prompt_id, split
    from prompt_splits
    where split in ('evaluation', 'validation', 'promotion')
),

trained_on as (
    select 'demonstrations' as "table", 'shared' as experiment, 0 as iteration, prompt_id
    from demonstrations
    union all
    select 'preference_pairs' as "table", 'shared' as experiment, 0 as iteration, prompt_id
    from preference_pairs
    union all
    select 'generations' as "table", experiment, iteration, prompt_id from generations
    union all
    select 'dpo_pairs' as "table", experiment, iteration, prompt_id from dpo_pairs
    union all
    select 'preference_labels' as "table", experiment, iteration, prompt_id from preference_labels
)

select
    trained_on."table",
    trained_on.experiment,
    trained_on.iteration,
    held_out.prompt_id,
    held_out.split,
    count(*) as rows_found
from trained_on
inner join held_out using (prompt_id)
group by all
order by all
