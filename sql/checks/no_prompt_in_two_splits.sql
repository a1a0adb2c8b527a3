-- Passes when every prompt is in one split only. One row per prompt in more than one split: sampled
-- in two iterations, sampled and held out, or both training and measuring the reward model.
with

prompt_splits as (select * from prompt_splits),

preference_pairs as (select * from preference_pairs),

pair_splits as (select distinct prompt_id, split from preference_pairs),

-- prompts of training pairs may be sampled; those that measure the reward model may not
places as (
    select 'prompt_splits' as scope, prompt_id, split from prompt_splits
    union all
    select 'prompt_splits' as scope, prompt_id, split from pair_splits
    where split = 'reward_validation'
    union all
    select 'preference_pairs' as scope, prompt_id, split from pair_splits
),

counted as (
    select scope, prompt_id, count(*) as places, list(split order by split) as splits
    from places
    group by scope, prompt_id
)

select scope, prompt_id, array_to_string(splits, ', ') as splits
from counted
where places > 1
order by scope, prompt_id
