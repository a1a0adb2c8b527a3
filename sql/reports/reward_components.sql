-- One row per experiment, iteration and part of a weighted sum of rewards, or of an ensemble (its
-- members, and their spread): how often this part decided which response of a pair is chosen. A
-- part's contribution to a pair is its weight times the difference of its rewards, chosen minus
-- rejected; the contributions of all parts add up to the difference of the two rewards (without a
-- length penalty). `decided_share` is the share of pairs in which this part has the largest
-- contribution (of equal ones, the first by name); the shares of all parts add up to 1.
-- `pivotal_share`: pairs that the other parts alone would order the other way, or not at all.
-- `opposed_share`: pairs in which this part prefers the rejected response. `contribution` is the
-- mean over pairs. `_se` is the standard error clustered by prompt. `spread` is the standard
-- deviation over responses of weight times reward.
-- There are rows once an experiment whose ranker is a weighted sum or an ensemble has its pairs
-- (asset iteration_1/dpo_pairs).
with

score_components as (select * from score_components),

dpo_pairs as (select * from dpo_pairs),

parts as (
    select
        experiment,
        iteration,
        ranker,
        component,
        weight,
        count(*) as responses,
        stddev_samp(weight * reward) as spread
    from score_components
    group by all
),

contributions as (
    select
        dpo_pairs.experiment,
        dpo_pairs.iteration,
        dpo_pairs.prompt_id,
        dpo_pairs.chosen_response_index,
        dpo_pairs.rejected_response_index,
        chosen.component,
        chosen.weight * (chosen.reward - rejected.reward) as contribution
    from dpo_pairs
    inner join score_components as chosen
        on chosen.experiment = dpo_pairs.experiment
        and chosen.iteration = dpo_pairs.iteration
        and chosen.prompt_id = dpo_pairs.prompt_id
        and chosen.response_index = dpo_pairs.chosen_response_index
    inner join score_components as rejected
        on rejected.experiment = dpo_pairs.experiment
        and rejected.iteration = dpo_pairs.iteration
        and rejected.prompt_id = dpo_pairs.prompt_id
        and rejected.response_index = dpo_pairs.rejected_response_index
        and rejected.component = chosen.component
),

compared as (
    select
        *,
        row_number() over (pair order by contribution desc, component) = 1 as decided,
        sum(contribution) over pair - contribution <= 0 and contribution > 0 as pivotal
    from contributions
    window pair as (
        partition by
            experiment, iteration, prompt_id, chosen_response_index, rejected_response_index
    )
),

by_prompt as (
    select
        experiment,
        iteration,
        component,
        prompt_id,
        count(*) as pairs,
        sum(decided::int) as decided,
        sum(pivotal::int) as pivotal,
        sum((contribution < 0)::int) as opposed,
        sum(contribution) as contribution
    from compared
    group by all
)

select
    parts.experiment,
    parts.iteration,
    parts.ranker,
    parts.component,
    parts.weight,
    sum(by_prompt.pairs)::bigint as pairs,
    sum(decided) / sum(by_prompt.pairs) as decided_share,
    clustered_error(decided, by_prompt.pairs) as decided_share_se,
    sum(pivotal) / sum(by_prompt.pairs) as pivotal_share,
    clustered_error(pivotal, by_prompt.pairs) as pivotal_share_se,
    sum(opposed) / sum(by_prompt.pairs) as opposed_share,
    clustered_error(opposed, by_prompt.pairs) as opposed_share_se,
    sum(contribution) / sum(by_prompt.pairs) as contribution,
    clustered_error(contribution, by_prompt.pairs) as contribution_se,
    any_value(parts.spread) as spread
from by_prompt
inner join parts using (experiment, iteration, component)
group by all
order by parts.experiment, parts.iteration, parts.ranker, parts.component
