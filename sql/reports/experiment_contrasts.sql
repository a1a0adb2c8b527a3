-- One row per pair of experiments and decoding: the selected iterate of `experiment` against that of
-- `versus` on the evaluation prompts, paired by prompt. chars_ratio is mean length over mean length.
-- `_se` is the standard error clustered by prompt, of the ratio by linearisation; `_low` and `_high`
-- are 1.96 of them away (95%, normal).
with

evaluation_responses as (
    select * from evaluation_responses where split = 'evaluation'
),

selected_policies as (select * from selected_policies),

prompt_means as (
    select
        evaluation_responses.experiment,
        evaluation_responses.decoding,
        evaluation_responses.prompt_id,
        avg(gold_reward) as gold_reward,
        avg(reward) as reward,
        avg(response_chars) as response_chars
    from evaluation_responses
    inner join selected_policies
        on selected_policies.experiment = evaluation_responses.experiment
        and selected_policies.model = evaluation_responses.model
    group by 1, 2, 3
),

paired as (
    select
        these.experiment,
        those.experiment as versus,
        these.decoding,
        these.gold_reward - those.gold_reward as gold_difference,
        these.reward - those.reward as reward_difference,
        these.response_chars,
        those.response_chars as versus_chars
    from prompt_means as these
    inner join prompt_means as those
        on those.decoding = these.decoding
        and those.prompt_id = these.prompt_id
        and those.experiment <> these.experiment
),

ratios as (
    select
        experiment,
        versus,
        decoding,
        avg(response_chars) / avg(versus_chars) as chars_ratio
    from paired
    group by experiment, versus, decoding
),

estimates as (
    select
        experiment,
        versus,
        decoding,
        any_value(chars_ratio) as chars_ratio,
        stddev_samp(response_chars - chars_ratio * versus_chars)
            / sqrt(count(*)) / avg(versus_chars) as chars_ratio_se,
        avg(gold_difference) as gold_difference,
        stddev_samp(gold_difference) / sqrt(count(gold_difference)) as gold_difference_se,
        avg(reward_difference) as reward_difference,
        stddev_samp(reward_difference) / sqrt(count(reward_difference)) as reward_difference_se,
        count(*) as prompts
    from paired
    inner join ratios using (experiment, versus, decoding)
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
    gold_difference - 1.96 * gold_difference_se as gold_difference_low,
    gold_difference + 1.96 * gold_difference_se as gold_difference_high,
    reward_difference,
    reward_difference_se,
    reward_difference - 1.96 * reward_difference_se as reward_difference_low,
    reward_difference + 1.96 * reward_difference_se as reward_difference_high,
    prompts
from estimates
order by experiment, versus, decoding desc
