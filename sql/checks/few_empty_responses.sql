-- Passes when at most a tenth of the responses are blank. One row per slice in which more than a
-- tenth of the responses are blank: the policy ends its turn at once, or the chat template ends it.
-- Fewer blank responses are ranked like all others, so that training can reduce them.
with

generations as (select * from generations),

counted as (
    select
        experiment,
        iteration,
        count(*) as responses,
        count(*) filter (is_blank(response)) as empty_responses,
        min(prompt_id) filter (is_blank(response)) as first_prompt_id
    from generations
    group by experiment, iteration
)

select *
from counted
where empty_responses > 0.1 * responses
order by experiment, iteration
