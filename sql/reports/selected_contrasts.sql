-- One row per experiment, decoding, metric and baseline: the selected policy minus the baseline on
-- the evaluation prompts, paired by prompt. `difference_se` is the standard error clustered by
-- prompt, `_low` and `_high` the 95% interval by the bootstrap over prompts (null with one prompt);
-- `z` is the difference in standard errors. Metrics: gold_reward, reward and those of
-- `evaluation.rewards`, in reward units; response_chars, in characters.
-- There are rows once an experiment has a selected policy (asset selected_policy).
with

evaluation_results as (select * from evaluation_results),

selected_policies as (select * from selected_policies)

select
    evaluation_results.experiment,
    evaluation_results.decoding,
    replace(selected_policies.model, '/policy', '') as selected,
    evaluation_results.metric,
    replace(evaluation_results.versus, '/policy', '') as versus,
    evaluation_results.value as difference,
    evaluation_results.standard_error as difference_se,
    evaluation_results.low as difference_low,
    evaluation_results.high as difference_high,
    evaluation_results.value / nullif(evaluation_results.standard_error, 0) as z
from evaluation_results
inner join selected_policies
    on selected_policies.experiment = evaluation_results.experiment
    and selected_policies.model = evaluation_results.model
where evaluation_results.split = 'evaluation'
    and evaluation_results.versus is not null
    and (
        evaluation_results.metric in ('gold_reward', 'reward', 'response_chars')
        or 'win_rate_' || evaluation_results.metric in (select metric from evaluation_results)
    )
order by
    evaluation_results.experiment,
    evaluation_results.decoding desc,
    evaluation_results.metric,
    evaluation_results.versus
