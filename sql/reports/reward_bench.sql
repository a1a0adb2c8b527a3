-- One row per model, data mixture and weights on RewardBench, as in the paper's Table 2, whose rows
-- follow ours. Sections are per cent; `_se` is the standard error clustered by prompt, in
-- percentage points; `_longer` is the accuracy by length alone on the same pairs (the longer
-- response wins). A section is null if one of its subsets has no pair; `missing` lists these
-- subsets. Pairs without a reward (longer than the model's context, or without a verdict of a judge)
-- are counted in `unscored_pairs` and are in no accuracy. The paper does not state its weights:
-- before 2024-09 the weights of the two xstest subsets were swapped, which changes only Safety.
-- There are rows once the recipe's `reward_bench` names the set reward_bench and a ranker is
-- measured on it. Other sets are in labelled_pairs.
with

reward_bench_results as (
    select *
    from reward_bench_results
    where bench = 'reward_bench' and level = 'section'
),

published_reward_bench as (select * from published_reward_bench),

ours as (
    select
        'ours' as origin,
        model,
        kind,
        mixture,
        weights,
        any_value(value) filter (name = 'Chat' and metric = 'pair_accuracy') as chat,
        any_value(standard_error) filter (name = 'Chat' and metric = 'pair_accuracy') as chat_se,
        any_value(value) filter (name = 'Chat' and metric = 'longer_wins') as chat_longer,
        any_value(standard_error) filter (name = 'Chat' and metric = 'longer_wins')
            as chat_longer_se,
        any_value(value) filter (name = 'Chat Hard' and metric = 'pair_accuracy') as chat_hard,
        any_value(standard_error) filter (name = 'Chat Hard' and metric = 'pair_accuracy')
            as chat_hard_se,
        any_value(value) filter (name = 'Chat Hard' and metric = 'longer_wins')
            as chat_hard_longer,
        any_value(standard_error) filter (name = 'Chat Hard' and metric = 'longer_wins')
            as chat_hard_longer_se,
        any_value(value) filter (name = 'Safety' and metric = 'pair_accuracy') as safety,
        any_value(standard_error) filter (name = 'Safety' and metric = 'pair_accuracy')
            as safety_se,
        any_value(value) filter (name = 'Safety' and metric = 'longer_wins') as safety_longer,
        any_value(standard_error) filter (name = 'Safety' and metric = 'longer_wins')
            as safety_longer_se,
        any_value(value) filter (name = 'Reasoning' and metric = 'pair_accuracy') as reasoning,
        any_value(standard_error) filter (name = 'Reasoning' and metric = 'pair_accuracy')
            as reasoning_se,
        any_value(value) filter (name = 'Reasoning' and metric = 'longer_wins')
            as reasoning_longer,
        any_value(standard_error) filter (name = 'Reasoning' and metric = 'longer_wins')
            as reasoning_longer_se,
        sum(pairs) filter (metric = 'pair_accuracy') as pairs,
        sum(unscored_pairs) filter (metric = 'pair_accuracy') as unscored_pairs,
        string_agg(missing, ', ' order by name) filter (metric = 'pair_accuracy' and missing <> '')
            as missing,
        model_id
    from reward_bench_results
    group by model, model_id, kind, mixture, weights
),

both_tables as (
    select * from ours
    union all by name
    select 'paper' as origin, * from published_reward_bench where exists (from ours)
)

select *
from both_tables
order by origin, model, kind, mixture, weights
