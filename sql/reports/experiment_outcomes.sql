-- One row per decoding and experiment (baselines first, under their own names): the results of the
-- policy that the validation prompts selected, on the evaluation prompts. A win rate is against
-- π₀, over all pairs of a response of each policy to the same prompt, a tie one half;
-- kl_to_initial, the KL to π₀, is in nats, estimated from the samples. `gold_minus_` and
-- `reward_minus_` are differences paired by prompt, to offline DPO and to the experiment
-- `iterative` (the paper's algorithm). `_se` is the standard error clustered by prompt.
-- Over several seeds: prefloop report experiment_outcomes --over-seeds --home a --home b ...
-- There are rows once policies are evaluated: the assets baseline_evaluation, evaluation,
-- selected_policy.
with

evaluation_results as (select * from evaluation_results where split = 'evaluation'),

selected_policies as (select * from selected_policies),

outcome_prompts as (select * from outcome_prompts),

results as (
    select
        if(
            evaluation_results.experiment = 'shared',
            replace(evaluation_results.model, '/policy', ''),
            evaluation_results.experiment
        ) as outcome,
        evaluation_results.decoding,
        evaluation_results.iteration,
        evaluation_results.metric,
        evaluation_results.value,
        evaluation_results.standard_error,
        evaluation_results.prompts
    from evaluation_results
    left join selected_policies
        on selected_policies.experiment = evaluation_results.experiment
        and selected_policies.model = evaluation_results.model
    where (evaluation_results.experiment = 'shared' or selected_policies.model is not null)
        and (
            evaluation_results.versus is null
            or (
                is_initial_policy(evaluation_results.versus)
                and starts_with(evaluation_results.metric, 'win_rate_')
            )
        )
),

levels as (
    select
        outcome,
        decoding,
        any_value(iteration) as iteration,
        any_value(value) filter (metric = 'gold_reward') as gold_reward,
        any_value(standard_error) filter (metric = 'gold_reward') as gold_reward_se,
        any_value(value) filter (metric = 'reward') as reward,
        any_value(standard_error) filter (metric = 'reward') as reward_se,
        any_value(value) filter (metric = 'win_rate_gold') as win_rate_gold,
        any_value(standard_error) filter (metric = 'win_rate_gold') as win_rate_gold_se,
        any_value(value) filter (metric = 'win_rate_reward') as win_rate_reward,
        any_value(standard_error) filter (metric = 'win_rate_reward') as win_rate_reward_se,
        any_value(value) filter (metric = 'kl_to_initial') as kl_to_initial,
        any_value(standard_error) filter (metric = 'kl_to_initial') as kl_to_initial_se,
        any_value(value) filter (metric = 'response_chars') as response_chars,
        any_value(standard_error) filter (metric = 'response_chars') as response_chars_se,
        max(prompts) as prompts
    from results
    group by outcome, decoding
),

differences as (
    select
        these.outcome,
        these.decoding,
        those.outcome as versus,
        avg(these.gold_reward - those.gold_reward) as gold,
        clustered_error(these.gold_reward - those.gold_reward) as gold_se,
        avg(these.reward - those.reward) as reward,
        clustered_error(these.reward - those.reward) as reward_se
    from outcome_prompts as these
    inner join outcome_prompts as those
        on those.decoding = these.decoding
        and those.prompt_id = these.prompt_id
        and those.outcome <> these.outcome
    where those.outcome in ('offline_dpo', 'iterative')
    group by these.outcome, these.decoding, those.outcome
)

select
    levels.outcome as experiment,
    levels.decoding,
    nullif(levels.iteration, 0) as selected_iteration,
    levels.* exclude (outcome, decoding, iteration, prompts),
    offline.gold as gold_minus_offline_dpo,
    offline.gold_se as gold_minus_offline_dpo_se,
    offline.reward as reward_minus_offline_dpo,
    offline.reward_se as reward_minus_offline_dpo_se,
    iterative.gold as gold_minus_iterative,
    iterative.gold_se as gold_minus_iterative_se,
    iterative.reward as reward_minus_iterative,
    iterative.reward_se as reward_minus_iterative_se,
    levels.prompts
from levels
left join differences as offline
    on offline.outcome = levels.outcome
    and offline.decoding = levels.decoding
    and offline.versus = 'offline_dpo'
left join differences as iterative
    on iterative.outcome = levels.outcome
    and iterative.decoding = levels.decoding
    and iterative.versus = 'iterative'
order by
    levels.decoding desc,
    baseline_position(levels.outcome) nulls last,
    levels.outcome
