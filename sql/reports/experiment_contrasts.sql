-- One row per experiment, decoding and what it is compared with: the selected policy of
-- `experiment` minus `versus`, a baseline or another experiment's selected policy, on the evaluation
-- prompts, paired by prompt. chars_ratio is the ratio of the mean lengths. `_se` is the standard
-- error clustered by prompt (of the ratio by linearisation); `_low` and `_high` are the 95% interval
-- by the bootstrap over prompts.
-- There are rows once an experiment has a selected policy.
with

outcome_prompts as (select * from outcome_prompts),

paired as (
    select
        these.outcome as experiment,
        those.outcome as versus,
        these.decoding,
        these.prompt_id,
        these.gold_reward - those.gold_reward as gold_difference,
        these.reward - those.reward as reward_difference,
        these.response_chars,
        those.response_chars as versus_chars
    from outcome_prompts as these
    inner join outcome_prompts as those
        on those.decoding = these.decoding
        and those.prompt_id = these.prompt_id
        and those.outcome <> these.outcome
    where not these.baseline
),

estimates as (
    select
        experiment,
        versus,
        decoding,
        sum(response_chars) / sum(versus_chars) as chars_ratio,
        clustered_error(response_chars, versus_chars) as chars_ratio_se,
        avg(gold_difference) as gold_difference,
        clustered_error(gold_difference) as gold_difference_se,
        bootstrap_interval(list(gold_difference order by prompt_id)) as gold_interval,
        avg(reward_difference) as reward_difference,
        clustered_error(reward_difference) as reward_difference_se,
        bootstrap_interval(list(reward_difference order by prompt_id)) as reward_interval,
        count(*) as prompts
    from paired
    group by experiment, versus, decoding
)

select
    experiment,
    versus,
    decoding,
    chars_ratio,
    chars_ratio_se,
    gold_difference,
    gold_difference_se,
    gold_interval.low as gold_difference_low,
    gold_interval.high as gold_difference_high,
    reward_difference,
    reward_difference_se,
    reward_interval.low as reward_difference_low,
    reward_interval.high as reward_difference_high,
    prompts
from estimates
order by experiment, baseline_position(versus) nulls last, versus, decoding desc
