-- One row per slice of scored responses, ranker, split and unit of length: does the reward follow
-- length? `pearson` and its quantiles are over prompts, of Pearson's r of reward and length within
-- each prompt (paper, section 2.3). Prompts without r are counted: one_response, constant_reward,
-- constant_length. longer_wins is the share of best-against-worst pairs (and of all pairs of a
-- prompt) in which the longer response has the higher reward, equal lengths one half.
-- calibrated_penalty is the slope of reward on length within prompts, in reward units per unit of
-- length: the length penalty that removes the slope. `_se` is over prompts, or clustered by prompt.
-- There are rows once responses are scored, in the loop or in the study of length
-- (splits.length_study_fraction).
with

-- a response without a verdict of a judge is neither the best nor the worst
scored_responses as (select * from scored_responses where reward is not null),

prompt_splits as (select * from prompt_splits),

measured as (
    select
        scored_responses.experiment,
        scored_responses.iteration,
        scored_responses.ranker,
        scored_responses.ranker_id,
        prompt_splits.split,
        scored_responses.prompt_id,
        scored_responses.response_index,
        scored_responses.reward,
        units.unit,
        case units.unit
            when 'chars' then scored_responses.response_chars
            else scored_responses.response_tokens
        end::double as length
    from scored_responses
    left join prompt_splits using (prompt_id)
    cross join (values ('chars'), ('tokens')) as units (unit)
),

prompts as (
    select
        experiment,
        iteration,
        ranker,
        ranker_id,
        split,
        unit,
        prompt_id,
        avg(length) as mean_length,
        case
            when count(*) < 2 then 'one_response'
            when min(reward) = max(reward) then 'constant_reward'
            when min(length) = max(length) then 'constant_length'
            else 'defined'
        end as status,
        if(status = 'defined', corr(reward, length), null) as correlation,
        if(min(length) < max(length), regr_sxy(reward, length), null) as sxy,
        if(min(length) < max(length), regr_sxx(reward, length), null) as sxx,
        -- best against worst; null if all rewards are equal
        if(
            max(reward) > min(reward),
            higher(
                first(length order by reward desc, response_index),
                last(length order by reward desc, response_index)
            ),
            null
        ) as longer_wins
    from measured
    group by all
),

summarised as (
    select
        experiment,
        iteration,
        ranker_id,
        split,
        unit,
        any_value(ranker) as ranker,
        count(*) as prompts,
        count(*) filter (status = 'defined') as defined,
        count(*) filter (status = 'one_response') as one_response,
        count(*) filter (status = 'constant_reward') as constant_reward,
        count(*) filter (status = 'constant_length') as constant_length,
        avg(mean_length) as mean_length,
        clustered_error(mean_length) as mean_length_se,
        avg(correlation) as pearson,
        clustered_error(correlation) as pearson_se,
        quantile_cont(correlation, [0.05, 0.25, 0.5, 0.75, 0.95]) as quantiles,
        avg(longer_wins) as longer_wins,
        clustered_error(longer_wins) as longer_wins_se,
        sum(sxy) / sum(sxx) as calibrated_penalty,
        clustered_error(sxy, sxx) as calibrated_penalty_se
    from prompts
    group by experiment, iteration, ranker_id, split, unit
),

prompt_pairs as (
    select
        better.experiment,
        better.iteration,
        better.ranker_id,
        better.split,
        better.unit,
        better.prompt_id,
        sum(higher(better.length, worse.length)) as longer,
        count(*) as pairs
    from measured as better
    inner join measured as worse
        on better.experiment = worse.experiment
        and better.iteration = worse.iteration
        and better.ranker_id is not distinct from worse.ranker_id
        and better.prompt_id = worse.prompt_id
        and better.unit = worse.unit
        and better.reward > worse.reward
    group by all
),

all_pairs as (
    select
        experiment,
        iteration,
        ranker_id,
        split,
        unit,
        sum(longer) / sum(pairs) as longer_wins_all_pairs,
        clustered_error(longer, pairs) as longer_wins_all_pairs_se
    from prompt_pairs
    group by experiment, iteration, ranker_id, split, unit
)

select
    summarised.experiment,
    summarised.iteration,
    summarised.ranker,
    summarised.split,
    summarised.unit,
    summarised.prompts,
    summarised.defined,
    summarised.one_response,
    summarised.constant_reward,
    summarised.constant_length,
    summarised.mean_length,
    summarised.mean_length_se,
    summarised.pearson,
    summarised.pearson_se,
    summarised.quantiles[1] as p05,
    summarised.quantiles[2] as p25,
    summarised.quantiles[3] as median,
    summarised.quantiles[4] as p75,
    summarised.quantiles[5] as p95,
    summarised.longer_wins,
    summarised.longer_wins_se,
    all_pairs.longer_wins_all_pairs,
    all_pairs.longer_wins_all_pairs_se,
    summarised.calibrated_penalty,
    summarised.calibrated_penalty_se,
    summarised.ranker_id
from summarised
left join all_pairs
    on summarised.experiment = all_pairs.experiment
    and summarised.iteration = all_pairs.iteration
    and summarised.ranker_id is not distinct from all_pairs.ranker_id
    and summarised.split is not distinct from all_pairs.split
    and summarised.unit = all_pairs.unit
order by experiment, iteration, ranker_id, split, unit
