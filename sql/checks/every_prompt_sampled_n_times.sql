-- Passes when every prompt has the expected number of responses. One row per iteration and prompt
-- that does not have the expected number of responses, over all samplers. The expected number is
-- the column n of the slice's rows or, with adaptive n, the number that the rule recorded
-- (`sampling_stops`); it is 0 for a prompt outside the split of the slice. The experiment one_shot
-- samples the prompts of all iterations at once, length_study those of its own split.
with

generations as (select * from generations),

prompt_splits as (select * from prompt_splits),

sampling_stops as (select * from sampling_stops),

slices as (
    select
        experiment,
        iteration,
        max(n) as n,
        any_value(sampling_id) as sampling_id
    from generations
    group by experiment, iteration
),

expected as (
    select
        slices.experiment,
        slices.iteration,
        prompt_splits.prompt_id,
        coalesce(sampling_stops.responses, slices.n) as n
    from slices
    inner join prompt_splits
        on prompt_splits.split = 'iteration_' || slices.iteration
        or (slices.experiment = 'one_shot' and prompt_splits.split like 'iteration\_%' escape '\')
        or (slices.experiment = 'length_study' and prompt_splits.split = 'length_study')
    left join sampling_stops
        on sampling_stops.experiment = slices.experiment
        and sampling_stops.iteration = slices.iteration
        and sampling_stops.prompt_id = prompt_splits.prompt_id
        and sampling_stops.sampling_id = slices.sampling_id
),

found as (
    select experiment, iteration, prompt_id, count(distinct response_index) as responses
    from generations
    group by experiment, iteration, prompt_id
),

compared as (
    select
        experiment,
        iteration,
        prompt_id,
        coalesce(expected.n, 0) as responses_expected,
        coalesce(found.responses, 0) as responses_found
    from expected
    full outer join found using (experiment, iteration, prompt_id)
)

select *
from compared
where responses_expected <> responses_found
order by experiment, iteration, prompt_id
