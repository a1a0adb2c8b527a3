-- Passes when every reward is a finite number. One row per reward that is null, NaN or infinite.
-- Allowed nulls: the gold reward of prompts outside the sample task, and a judge's reward without a
-- usable verdict.
with

scores as (select * from scores),

evaluation_responses as (select * from evaluation_responses),

evaluation_scores as (select * from evaluation_scores),

rewards as (
    select
        'scores' as "table", experiment, iteration, ranker_id as written_by, prompt_id,
        response_index, 'reward' as metric, reward as value
    from scores
    where ranker is distinct from 'judge' or reward is not null
    union all
    select
        'evaluation_responses' as "table", experiment, iteration, model as written_by, prompt_id,
        response_index, 'reward' as metric, reward as value
    from evaluation_responses
    union all
    select
        'evaluation_responses' as "table", experiment, iteration, model as written_by, prompt_id,
        response_index, 'gold_reward' as metric, gold_reward as value
    from evaluation_responses
    where gold_reward is not null
    union all
    select
        'evaluation_scores' as "table", experiment, iteration, model as written_by, prompt_id,
        response_index, ranker as metric, reward as value
    from evaluation_scores
)

select *
from rewards
where value is null or not isfinite(value)
order by "table", experiment, iteration, prompt_id, response_index
