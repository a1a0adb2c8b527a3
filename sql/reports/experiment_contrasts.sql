-- One row per pair of experiments and decoding: the selected iterate of `experiment` against that of
-- `versus` on the evaluation prompts, paired by prompt. chars_ratio is mean length over mean length;
-- gold_difference and reward_difference carry standard errors clustered by prompt.
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
)

select
    experiment,
    versus,
    decoding,
    avg(response_chars) / avg(versus_chars) as chars_ratio,
    avg(gold_difference) as gold_difference,
    stddev_samp(gold_difference) / sqrt(count(gold_difference)) as gold_difference_se,
    avg(reward_difference) as reward_difference,
    stddev_samp(reward_difference) / sqrt(count(reward_difference)) as reward_difference_se,
    count(*) as prompts
from paired
group by experiment, versus, decoding
order by experiment, versus, decoding desc
