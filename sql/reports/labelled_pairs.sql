-- One row per set of labelled pairs (bench), ranker, data mixture, weights and section or subset:
-- how often the ranker prefers the better response, per cent. `longer_wins` is the accuracy by length
-- alone on the same pairs (the longer response wins). `_se` is the standard error clustered by
-- prompt, in percentage points. A section is null if one of its subsets has no pair; `missing` lists
-- these subsets. Pairs without a reward (longer than the model's context, or without a verdict of a
-- judge) are counted in `unscored_pairs` and are in no accuracy. RewardBench beside the paper's
-- Table 2: reward_bench.
-- There are rows once the recipe's `reward_bench` names sets and a ranker is measured on them.
with

reward_bench_results as (select * from reward_bench_results)

select
    bench,
    model,
    kind,
    mixture,
    level,
    name,
    weights,
    any_value(value) filter (metric = 'pair_accuracy') as accuracy,
    any_value(standard_error) filter (metric = 'pair_accuracy') as accuracy_se,
    any_value(value) filter (metric = 'longer_wins') as longer_wins,
    any_value(standard_error) filter (metric = 'longer_wins') as longer_wins_se,
    any_value(pairs) filter (metric = 'pair_accuracy') as pairs,
    any_value(unscored_pairs) filter (metric = 'pair_accuracy') as unscored_pairs,
    any_value(missing) filter (metric = 'pair_accuracy') as missing,
    model_id
from reward_bench_results
group by all
order by bench, model, mixture, level, name, weights
