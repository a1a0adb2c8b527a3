-- One row per experiment and policy of an iteration: the validation metric by which a policy is
-- selected, and whether the policy is the selected one (Algorithm 1, last line: the best on the
-- validation prompts; on a tie, the earlier one). The metric is a mean over sampled responses;
-- `value_se` is its standard error, clustered by prompt.
-- There are rows once policies of the loop are evaluated (asset evaluation).
with

evaluation_results as (
    select *
    from evaluation_results
    where split = 'validation' and decoding = 'sampled' and versus is null and iteration > 0
),

selected_policies as (select * from selected_policies)

select
    evaluation_results.experiment,
    evaluation_results.iteration,
    replace(evaluation_results.model, '/policy', '') as model,
    evaluation_results.metric,
    evaluation_results.value,
    evaluation_results.standard_error as value_se,
    evaluation_results.prompts,
    evaluation_results.model = selected_policies.model as selected,
    evaluation_results.policy_id
from evaluation_results
inner join selected_policies
    on selected_policies.experiment = evaluation_results.experiment
    and selected_policies.metric = evaluation_results.metric
order by evaluation_results.experiment, evaluation_results.iteration
