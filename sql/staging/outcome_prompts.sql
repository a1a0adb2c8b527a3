-- One row per outcome, decoding and evaluation prompt: means over the responses to the prompt. An
-- outcome is a baseline under its own name, or an experiment's selected policy under the
-- experiment's name.
with

evaluation_responses as (
    select * from evaluation_responses where split = 'evaluation'
),

selected_policies as (select * from selected_policies)

select
    if(
        evaluation_responses.experiment = 'shared',
        replace(evaluation_responses.model, '/policy', ''),
        evaluation_responses.experiment
    ) as outcome,
    evaluation_responses.experiment = 'shared' as baseline,
    evaluation_responses.decoding,
    evaluation_responses.prompt_id,
    avg(gold_reward) as gold_reward,
    avg(reward) as reward,
    avg(response_chars) as response_chars
from evaluation_responses
left join selected_policies
    on selected_policies.experiment = evaluation_responses.experiment
    and selected_policies.model = evaluation_responses.model
where evaluation_responses.experiment = 'shared' or selected_policies.model is not null
group by all
