-- Passes when all scores are of the present responses and by the present ranker. One row per set of
-- scores that do not match the present responses or ranker: the scored responses are of another
-- policy or sampling; a slice has scores of several models or settings; the model is not the newest
-- of its asset, for the experiment or for all; or it is the refreshed model of another iteration. A
-- ranker without weights in the lake, such as a judge, has no checkpoint to compare.
with

scores as (select * from scores),

generations as (select * from generations),

checkpoints as (select * from checkpoints),

newest as (
    select asset as ranker, experiment, max_by(checkpoint_id, commit_version) as newest_id
    from checkpoints
    group by asset, experiment
),

rankings as (
    select experiment, iteration, count(distinct (ranker_id, ranking_id)) as rankings
    from scores
    group by experiment, iteration
),

compared as (
    select
        scores.experiment,
        scores.iteration,
        scores.ranker,
        scores.ranker_id,
        case
            when scores.policy_id is distinct from generations.policy_id then 'another policy'
            when scores.sampling_id is distinct from generations.sampling_id then 'another sampling'
            when rankings.rankings > 1 then 'several rankings'
            when regexp_extract(scores.ranker, '^iteration_(\d+)/', 1)
                not in ('', scores.iteration::varchar) then 'of another iteration'
            when scores.ranker in (select ranker from newest)
                and scores.ranker_id is distinct from newest.newest_id
                then 'not the newest ' || scores.ranker
        end as fault
    from scores
    inner join rankings using (experiment, iteration)
    left join generations using (experiment, iteration, prompt_id, response_index)
    left join newest
        on newest.ranker = scores.ranker and newest.experiment in (scores.experiment, 'shared')
)

select experiment, iteration, ranker, ranker_id, fault, count(*) as scores
from compared
where fault is not null
group by all
order by all
