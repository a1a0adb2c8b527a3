-- One row per decoding and experiment, the baselines by their own names above: the iterate that the
-- validation prompts selected, on the evaluation prompts. A win rate is against sft_policy, over
-- all cross pairs of a prompt's responses, a tie one half; kl_to_sft is in nats, from the samples.
-- `gold_minus_` and `reward_minus_` are differences paired by prompt, to offline DPO and to the
-- experiment `iterative` (the paper's algorithm). `_se` is the standard error clustered by prompt.
-- Over several seeds: prefloop report experiment_outcomes --over-seeds --home a --home b ...
with

evaluation_responses as (
    select * from evaluation_responses where split = 'evaluation'
),

selected_policies as (select * from selected_policies),

-- the responses that a row stands for
responses as (
    select
        evaluation_responses.*,
        if(
            evaluation_responses.experiment = 'shared',
            replace(evaluation_responses.model, '/policy', ''),
            evaluation_responses.experiment
        ) as outcome
    from evaluation_responses
    left join selected_policies
        on selected_policies.experiment = evaluation_responses.experiment
        and selected_policies.model = evaluation_responses.model
    where evaluation_responses.experiment = 'shared' or selected_policies.model is not null
),

wins as (
    select
        these.outcome,
        these.decoding,
        these.prompt_id,
        avg((sign(these.gold_reward - those.gold_reward) + 1) / 2) as win_rate_gold,
        avg((sign(these.reward - those.reward) + 1) / 2) as win_rate_reward
    from responses as these
    inner join responses as those
        on those.outcome = 'sft_policy'
        and these.outcome <> 'sft_policy'
        and those.decoding = these.decoding
        and those.prompt_id = these.prompt_id
    group by all
),

prompt_means as (
    select
        outcome,
        decoding,
        prompt_id,
        any_value(iteration) as iteration,
        avg(gold_reward) as gold_reward,
        avg(reward) as reward,
        avg(policy_logp - reference_logp) filter (decoding = 'sampled') as kl_to_sft,
        avg(response_chars) as response_chars
    from responses
    group by outcome, decoding, prompt_id
),

compared as (
    select
        prompt_means.*,
        wins.win_rate_gold,
        wins.win_rate_reward,
        prompt_means.gold_reward - offline.gold_reward as gold_minus_offline_dpo,
        prompt_means.reward - offline.reward as reward_minus_offline_dpo,
        prompt_means.gold_reward - iterative.gold_reward as gold_minus_iterative,
        prompt_means.reward - iterative.reward as reward_minus_iterative
    from prompt_means
    left join wins using (outcome, decoding, prompt_id)
    left join prompt_means as offline
        on offline.outcome = 'offline_dpo'
        and prompt_means.outcome <> 'offline_dpo'
        and offline.decoding = prompt_means.decoding
        and offline.prompt_id = prompt_means.prompt_id
    left join prompt_means as iterative
        on iterative.outcome = 'iterative'
        and prompt_means.outcome <> 'iterative'
        and iterative.decoding = prompt_means.decoding
        and iterative.prompt_id = prompt_means.prompt_id
)

select
    outcome as experiment,
    decoding,
    nullif(any_value(iteration), 0) as selected_iteration,
    avg(gold_reward) as gold_reward,
    stddev_samp(gold_reward) / sqrt(count(gold_reward)) as gold_reward_se,
    avg(reward) as reward,
    stddev_samp(reward) / sqrt(count(reward)) as reward_se,
    avg(win_rate_gold) as win_rate_gold,
    stddev_samp(win_rate_gold) / sqrt(count(win_rate_gold)) as win_rate_gold_se,
    avg(win_rate_reward) as win_rate_reward,
    stddev_samp(win_rate_reward) / sqrt(count(win_rate_reward)) as win_rate_reward_se,
    avg(kl_to_sft) as kl_to_sft,
    stddev_samp(kl_to_sft) / sqrt(count(kl_to_sft)) as kl_to_sft_se,
    avg(response_chars) as response_chars,
    stddev_samp(response_chars) / sqrt(count(response_chars)) as response_chars_se,
    avg(gold_minus_offline_dpo) as gold_minus_offline_dpo,
    stddev_samp(gold_minus_offline_dpo) / sqrt(count(gold_minus_offline_dpo))
        as gold_minus_offline_dpo_se,
    avg(reward_minus_offline_dpo) as reward_minus_offline_dpo,
    stddev_samp(reward_minus_offline_dpo) / sqrt(count(reward_minus_offline_dpo))
        as reward_minus_offline_dpo_se,
    avg(gold_minus_iterative) as gold_minus_iterative,
    stddev_samp(gold_minus_iterative) / sqrt(count(gold_minus_iterative))
        as gold_minus_iterative_se,
    avg(reward_minus_iterative) as reward_minus_iterative,
    stddev_samp(reward_minus_iterative) / sqrt(count(reward_minus_iterative))
        as reward_minus_iterative_se,
    count(*) as prompts
from compared
group by outcome, decoding
order by
    decoding desc,
    list_position(['one_shot', 'offline_dpo', 'sft_policy'], outcome) desc nulls last,
    outcome
