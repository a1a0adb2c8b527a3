-- One row per iteration and two experiments whose rankers scored the same responses (always the
-- case in iteration 1): how often they pick the same best and the same worst of n, and the mean
-- over prompts of the correlation of their rewards. Of equal rewards, the first is the best and the
-- last the worst, as in `dpo_pairs`. Two random rankers pick the same best for one prompt in n
-- (`same_by_chance`). `_se` is the standard error over prompts.
-- There are rows once two experiments with different rankers have scored the same responses.
with

generations as (select * from generations),

scores as (select * from scores),

scored as (
    select
        scores.experiment,
        scores.iteration,
        scores.prompt_id,
        scores.response_index,
        generations.response,
        scores.ranker,
        scores.ranker_id,
        scores.ranking_id,
        scores.reward,
        row_number() over (best) as best_first,
        row_number() over (worst) as worst_first
    from scores
    inner join generations using (experiment, iteration, prompt_id, response_index)
    where scores.reward is not null
    window
        best as (
            partition by scores.experiment, scores.iteration, scores.prompt_id
            order by scores.reward desc, scores.response_index
        ),
        worst as (
            partition by scores.experiment, scores.iteration, scores.prompt_id
            order by scores.reward, scores.response_index desc
        )
),

by_prompt as (
    select
        iteration,
        prompt_id,
        a.experiment as experiment,
        a.ranker as ranker,
        b.experiment as other_experiment,
        b.ranker as other_ranker,
        count(*) as responses,
        max((a.best_first = 1 and b.best_first = 1)::int) as same_best,
        max((a.worst_first = 1 and b.worst_first = 1)::int) as same_worst,
        -- NaN if one ranker gives all responses the same reward
        if(isfinite(corr(a.reward, b.reward)), corr(a.reward, b.reward), null) as correlation
    from scored as a
    inner join scored as b using (iteration, prompt_id, response_index, response)
    where a.experiment < b.experiment
        and (a.ranker_id, a.ranking_id) is distinct from (b.ranker_id, b.ranking_id)
    group by all
    having count(*) > 1
)

select
    iteration,
    experiment,
    ranker,
    other_experiment,
    other_ranker,
    count(*) as prompts,
    avg(same_best) as same_best,
    clustered_error(same_best) as same_best_se,
    avg(same_worst) as same_worst,
    clustered_error(same_worst) as same_worst_se,
    avg(1.0 / responses) as same_by_chance,
    avg(correlation) as mean_correlation,
    clustered_error(correlation) as mean_correlation_se
from by_prompt
group by all
order by all
