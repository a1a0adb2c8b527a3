-- One row per experiment, decoding and model on the evaluation prompts: π₀ (`sft_policy`, or
-- `initial_model` without SFT), the baselines, then the policies of the iterations. Models that all
-- experiments share are repeated in each experiment. `_se` is the standard error clustered by prompt,
-- `_low` and `_high` the 95% interval by the bootstrap over prompts (null with one prompt); a win
-- rate is against π₀; kl_to_initial, the KL to π₀, is in nats, estimated from the samples;
-- `selected` marks the policy that the validation prompts selected.
-- There are rows once policies are evaluated: the assets baseline_evaluation and evaluation.
with

evaluation_results as (select * from evaluation_results where split = 'evaluation'),

selected_policies as (select * from selected_policies),

experiments as (
    select distinct experiment from evaluation_results where experiment <> 'shared'
),

-- before the first run of an experiment, the shared models have experiment `shared`
shown as (
    select experiment from experiments
    union all
    select 'shared' as experiment where not exists (from experiments)
),

loop_results as (
    select * from evaluation_results where experiment <> 'shared'
),

shared_results as (
    select shown.experiment, evaluation_results.* exclude (experiment)
    from evaluation_results
    cross join shown
    where evaluation_results.experiment = 'shared'
),

results as (
    select * from loop_results
    union all by name
    select * from shared_results
),

pivoted as (
    select
        experiment,
        decoding,
        model,
        iteration,
        any_value(value) filter (metric = 'gold_reward' and versus is null) as gold_reward,
        any_value(standard_error) filter (metric = 'gold_reward' and versus is null)
            as gold_reward_se,
        any_value(low) filter (metric = 'gold_reward' and versus is null) as gold_reward_low,
        any_value(high) filter (metric = 'gold_reward' and versus is null) as gold_reward_high,
        any_value(value) filter (metric = 'reward' and versus is null) as reward,
        any_value(standard_error) filter (metric = 'reward' and versus is null) as reward_se,
        any_value(low) filter (metric = 'reward' and versus is null) as reward_low,
        any_value(high) filter (metric = 'reward' and versus is null) as reward_high,
        any_value(value) filter (metric = 'win_rate_gold' and is_initial_policy(versus))
            as win_rate_gold,
        any_value(standard_error) filter (metric = 'win_rate_gold' and is_initial_policy(versus))
            as win_rate_gold_se,
        any_value(low) filter (metric = 'win_rate_gold' and is_initial_policy(versus))
            as win_rate_gold_low,
        any_value(high) filter (metric = 'win_rate_gold' and is_initial_policy(versus))
            as win_rate_gold_high,
        any_value(value) filter (metric = 'win_rate_reward' and is_initial_policy(versus))
            as win_rate_reward,
        any_value(standard_error) filter (metric = 'win_rate_reward' and is_initial_policy(versus))
            as win_rate_reward_se,
        any_value(low) filter (metric = 'win_rate_reward' and is_initial_policy(versus))
            as win_rate_reward_low,
        any_value(high) filter (metric = 'win_rate_reward' and is_initial_policy(versus))
            as win_rate_reward_high,
        any_value(value) filter (metric = 'reward_accuracy') as reward_accuracy,
        any_value(standard_error) filter (metric = 'reward_accuracy') as reward_accuracy_se,
        any_value(value) filter (metric = 'response_tokens' and versus is null) as response_tokens,
        any_value(standard_error) filter (metric = 'response_tokens' and versus is null)
            as response_tokens_se,
        any_value(value) filter (metric = 'response_chars' and versus is null) as response_chars,
        any_value(standard_error) filter (metric = 'response_chars' and versus is null)
            as response_chars_se,
        any_value(value) filter (metric = 'truncated_fraction') as truncated_fraction,
        any_value(standard_error) filter (metric = 'truncated_fraction')
            as truncated_fraction_se,
        any_value(value) filter (metric = 'kl_to_initial') as kl_to_initial,
        any_value(standard_error) filter (metric = 'kl_to_initial') as kl_to_initial_se,
        max(prompts) filter (metric = 'reward' and versus is null) as prompts
    from results
    group by experiment, decoding, model, iteration
)

select
    pivoted.experiment,
    pivoted.decoding,
    replace(pivoted.model, '/policy', '') as model,
    selected_policies.model is not null as selected,
    pivoted.* exclude (experiment, decoding, model, iteration)
from pivoted
left join selected_policies
    on selected_policies.experiment = pivoted.experiment and selected_policies.model = pivoted.model
order by
    pivoted.experiment,
    pivoted.decoding desc,
    pivoted.iteration,
    baseline_position(pivoted.model) nulls last
