-- One row per experiment, iteration and sampler: its share of the pairs, and its effect on margins.
-- `response_share` is its share of the responses. chosen_share and rejected_share are its shares of
-- the chosen and of the rejected responses; they would equal response_share if samplers did not
-- differ. `reward` is the mean of its responses; chosen_margin and rejected_margin are the mean
-- penalised margins of the pairs whose chosen or rejected response it sampled. `margin` is the mean
-- over prompts of the widest difference of two rewards (without a penalty). margin_without is the
-- same without this sampler's responses, null if there are no others. margin_without_as_many is the
-- expected margin if the same number of responses is left out at random. margin_added is
-- margin_without_as_many minus margin_without, paired by prompt: above zero, the sampler's
-- responses widen margins more than the other responses. `_se` is the standard error clustered by
-- prompt.
-- There are rows once an iteration has its pairs (asset iteration_1/dpo_pairs).
with

scored_responses as (select * from scored_responses),

dpo_pairs as (select * from dpo_pairs),

ranked as (
    select
        *,
        row_number() over (prompt order by reward, response_index) as place,
        count(*) over (prompt) as n
    from scored_responses
    where reward is not null
    window prompt as (partition by experiment, iteration, prompt_id)
),

samplers as (
    select
        experiment,
        iteration,
        sampler,
        sampler_policy,
        temperature,
        top_p,
        count(*) as responses,
        avg(reward) as reward
    from ranked
    group by all
),

-- a prompt's responses without those of one sampler
left_out as (
    select
        ranked.experiment,
        ranked.iteration,
        ranked.prompt_id,
        samplers.sampler,
        max(ranked.reward) - min(ranked.reward) as margin,
        max(ranked.reward) filter (ranked.sampler <> samplers.sampler)
        - min(ranked.reward) filter (ranked.sampler <> samplers.sampler) as margin_without,
        count(*) filter (ranked.sampler <> samplers.sampler) as others
    from ranked
    inner join samplers using (experiment, iteration)
    group by all
),

-- in C(i - 1, m - 1) / C(n, m) of all subsets of size m, the i-th smallest of n is the largest
subsets as (
    select
        left_out.experiment,
        left_out.iteration,
        left_out.prompt_id,
        left_out.sampler,
        sum(ranked.reward * exp(
            lgamma(ranked.place) - lgamma(left_out.others) - lgamma(ranked.place - left_out.others + 1)
            - (lgamma(n + 1) - lgamma(left_out.others + 1) - lgamma(n - left_out.others + 1))
        )) filter (ranked.place >= left_out.others) as highest,
        sum(ranked.reward * exp(
            lgamma(n + 1 - ranked.place) - lgamma(left_out.others)
            - lgamma(n + 1 - ranked.place - left_out.others + 1)
            - (lgamma(n + 1) - lgamma(left_out.others + 1) - lgamma(n - left_out.others + 1))
        )) filter (n + 1 - ranked.place >= left_out.others) as lowest
    from left_out
    inner join ranked using (experiment, iteration, prompt_id)
    where left_out.others > 0
    group by all
),

margins as (
    select
        experiment,
        iteration,
        sampler,
        avg(margin) as margin,
        clustered_error(margin) as margin_se,
        avg(margin_without) as margin_without,
        clustered_error(margin_without) as margin_without_se,
        avg(highest - lowest) as margin_without_as_many,
        clustered_error(highest - lowest) as margin_without_as_many_se,
        avg(highest - lowest - margin_without) as margin_added,
        clustered_error(highest - lowest - margin_without) as margin_added_se
    from left_out
    left join subsets using (experiment, iteration, prompt_id, sampler)
    group by all
),

sides as (
    select
        dpo_pairs.experiment,
        dpo_pairs.iteration,
        dpo_pairs.prompt_id,
        sides.side,
        responses.sampler,
        dpo_pairs.margin
    from dpo_pairs
    cross join (values ('chosen'), ('rejected')) as sides (side)
    inner join scored_responses as responses
        on responses.experiment = dpo_pairs.experiment
        and responses.iteration = dpo_pairs.iteration
        and responses.prompt_id = dpo_pairs.prompt_id
        and responses.response_index = case sides.side
            when 'chosen' then dpo_pairs.chosen_response_index
            else dpo_pairs.rejected_response_index
        end
),

prompts as (
    select experiment, iteration, prompt_id, count(*) as pairs from dpo_pairs group by all
),

-- for each prompt with pairs, the number of sides that each sampler sampled, possibly 0
prompt_sides as (
    select
        prompts.experiment,
        prompts.iteration,
        prompts.prompt_id,
        samplers.sampler,
        any_value(prompts.pairs) as pairs,
        count(sides.sampler) filter (sides.side = 'chosen') as chosen,
        count(sides.sampler) filter (sides.side = 'rejected') as rejected,
        sum(sides.margin) filter (sides.side = 'chosen') as chosen_margin,
        sum(sides.margin) filter (sides.side = 'rejected') as rejected_margin
    from prompts
    inner join samplers using (experiment, iteration)
    left join sides
        on sides.experiment = prompts.experiment
        and sides.iteration = prompts.iteration
        and sides.prompt_id = prompts.prompt_id
        and sides.sampler = samplers.sampler
    group by all
),

shares as (
    select
        experiment,
        iteration,
        sampler,
        sum(chosen) / sum(pairs) as chosen_share,
        clustered_error(chosen, pairs) as chosen_share_se,
        sum(rejected) / sum(pairs) as rejected_share,
        clustered_error(rejected, pairs) as rejected_share_se,
        sum(chosen_margin) / nullif(sum(chosen), 0) as chosen_margin,
        sum(rejected_margin) / nullif(sum(rejected), 0) as rejected_margin
    from prompt_sides
    group by experiment, iteration, sampler
)

select
    samplers.experiment,
    samplers.iteration,
    samplers.sampler,
    samplers.sampler_policy,
    samplers.temperature,
    samplers.top_p,
    samplers.responses,
    samplers.responses / sum(samplers.responses) over (
        partition by samplers.experiment, samplers.iteration
    ) as response_share,
    shares.chosen_share,
    shares.chosen_share_se,
    shares.rejected_share,
    shares.rejected_share_se,
    samplers.reward,
    shares.chosen_margin,
    shares.rejected_margin,
    margins.margin,
    margins.margin_se,
    margins.margin_without,
    margins.margin_without_se,
    margins.margin_without_as_many,
    margins.margin_without_as_many_se,
    margins.margin_added,
    margins.margin_added_se
from samplers
inner join margins using (experiment, iteration, sampler)
left join shares using (experiment, iteration, sampler)
order by samplers.experiment, samplers.iteration, samplers.sampler
