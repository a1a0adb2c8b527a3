-- Passes when every key of responses and of scores occurs once. One row per key of responses or
-- scores that occurs more than once.
with

generations as (select * from generations),

scores as (select * from scores),

evaluation_responses as (select * from evaluation_responses),

keys as (
    select
        'generations' as "table", experiment, iteration, prompt_id, response_index,
        '' as written_by
    from generations
    union all
    select
        'scores' as "table", experiment, iteration, prompt_id, response_index,
        ranker_id as written_by
    from scores
    union all
    select
        'evaluation_responses' as "table", experiment, iteration, prompt_id, response_index,
        concat_ws('/', model, split, decoding) as written_by
    from evaluation_responses
)

select *, count(*) as rows_found
from keys
group by all
having count(*) > 1
order by all
