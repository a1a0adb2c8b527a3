-- One row per experiment, decoding, model and reward on the evaluation prompts: `reward`, which the
-- loop optimises if it ranks by it, then the gold reward and those of `evaluation.rewards`. A model
-- that gains `reward` and no other reward exploits it. Rewards have units of their own: compare
-- models by one reward. The win rate is against π₀; `_se` is the standard error clustered by
-- prompt, `_low` and `_high` the 95% interval by the bootstrap over prompts. `prompts`: those that
-- have this reward. Models that all experiments share have experiment `shared`.
-- There are rows once policies are evaluated: the assets baseline_evaluation and evaluation.
with

evaluation_results as (select * from evaluation_results where split = 'evaluation'),

rates as (
    select
        *,
        if(
            metric = 'win_rate_gold', 'gold_reward', substr(metric, length('win_rate_') + 1)
        ) as ranker
    from evaluation_results
    where starts_with(metric, 'win_rate_')
),

levels as (
    select *
    from evaluation_results
    where versus is null and metric in (select ranker from rates)
)

select
    levels.experiment,
    levels.decoding,
    replace(levels.model, '/policy', '') as model,
    levels.metric as ranker,
    levels.value as reward,
    levels.standard_error as reward_se,
    levels.low as reward_low,
    levels.high as reward_high,
    rates.value as win_rate,
    rates.standard_error as win_rate_se,
    rates.low as win_rate_low,
    rates.high as win_rate_high,
    levels.prompts
from levels
left join rates
    on rates.experiment = levels.experiment
    and rates.decoding = levels.decoding
    and rates.model = levels.model
    and rates.ranker = levels.metric
    and is_initial_policy(rates.versus)
order by
    levels.decoding desc,
    levels.metric <> 'reward',
    levels.metric <> 'gold_reward',
    levels.metric,
    levels.experiment <> 'shared',
    levels.experiment,
    levels.iteration,
    baseline_position(levels.model) nulls last
