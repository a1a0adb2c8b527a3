-- One row per experiment with feedback and per policy, π₀ first: how often the experiment's
-- reward models order two sampled responses of the policy to an evaluation prompt in the same way
-- as the gold reward. `iteration` is the iteration that samples this policy and labels pairs of its
-- responses. `fixed` is the reward model from before the loop, `before` and `after` are the models
-- before and after the iteration's refresh. `_se` is the standard error clustered by prompt;
-- old_pairs_* is the accuracy on validation pairs of the reward model's first training data.
-- There are rows once an experiment with `feedback` is evaluated.
with

reward_accuracy as (select * from reward_accuracy where split = 'evaluation'),

preference_labels as (select * from preference_labels),

evaluation_results as (select * from evaluation_results),

label_queue as (select * from label_queue),

-- people may disagree, so a pair may have several labels; only pairs of the present queue count
labels as (
    select
        experiment,
        iteration,
        count(distinct pair_id) as labelled_pairs,
        count(distinct pair_id) filter (preferred in ('tie', 'undecided')) as ties
    from preference_labels
    semi join label_queue using (experiment, iteration, pair_id)
    group by experiment, iteration
),

old_pairs as (
    select model, experiment, value
    from evaluation_results
    where split = 'reward_validation' and metric = 'pair_accuracy'
),

models as (
    select distinct experiment, refreshes, reward_model from reward_accuracy
),

forgetting as (
    select models.experiment, models.refreshes, old_pairs.value as accuracy
    from models
    inner join old_pairs
        on old_pairs.model = models.reward_model
        and old_pairs.experiment in (models.experiment, 'shared')
),

pivoted as (
    select
        experiment,
        iteration + 1 as iteration,
        replace(policy, '/policy', '') as policy,
        any_value(accuracy) filter (refreshes = 0) as fixed,
        any_value(standard_error) filter (refreshes = 0) as fixed_se,
        any_value(accuracy) filter (refreshes = iteration) as before,
        any_value(standard_error) filter (refreshes = iteration) as before_se,
        any_value(accuracy) filter (refreshes = iteration + 1) as after,
        any_value(standard_error) filter (refreshes = iteration + 1) as after_se,
        max(prompts) as prompts
    from reward_accuracy
    group by experiment, iteration, policy
)

select
    pivoted.experiment,
    case when pivoted.after is not null then pivoted.iteration end as iteration,
    pivoted.policy,
    labels.labelled_pairs,
    labels.ties,
    pivoted.fixed,
    pivoted.fixed_se,
    pivoted.before,
    pivoted.before_se,
    pivoted.after,
    pivoted.after_se,
    old_before.accuracy as old_pairs_before,
    old_after.accuracy as old_pairs_after,
    pivoted.prompts
from pivoted
left join labels using (experiment, iteration)
left join forgetting as old_before
    on old_before.experiment = pivoted.experiment and old_before.refreshes = pivoted.iteration - 1
left join forgetting as old_after
    on old_after.experiment = pivoted.experiment and old_after.refreshes = pivoted.iteration
order by pivoted.experiment, pivoted.iteration
