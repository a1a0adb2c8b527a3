-- One row per output of an asset, input of this output, and relation of the input to the output. An
-- output that was made several times has the inputs of its first run. Relations: a model's `parent`
-- (its initial weights) and `reference`; the `sampler` of responses; the `ranker` of scores, of a
-- label queue and of a policy gradient; another `model`; `data`.
with

materializations as (select * from materializations),

checkpoints as (select * from checkpoints),

outputs as (
    select asset, output_id, inputs, commit_version from materializations
    where output_id not in (select checkpoint_id from checkpoints)
    union all
    select asset, checkpoint_id as output_id, inputs, commit_version from checkpoints
),

first_made as (
    select asset, output_id, arg_min(inputs, commit_version) as inputs
    from outputs
    group by asset, output_id
),

models as (
    select
        asset,
        checkpoint_id,
        arg_min(parent_id, commit_version) as parent_id,
        arg_min(reference_id, commit_version) as reference_id
    from checkpoints
    group by asset, checkpoint_id
),

edges as (
    select
        first_made.asset,
        first_made.output_id,
        input.key as input_asset,
        json_extract_string(input.value, '$') as input_id
    from first_made, json_each(first_made.inputs::json) as input
),

related as (
    select
        edges.*,
        case
            when edges.input_id not in (select checkpoint_id from checkpoints) then ['data']
            when edges.input_id in (models.parent_id, models.reference_id) then list_filter(
                [
                    case when edges.input_id = models.parent_id then 'parent' end,
                    case when edges.input_id = models.reference_id then 'reference' end
                ],
                lambda relation: relation is not null
            )
            when edges.asset like '%/generations' and edges.input_id not in (
                select checkpoint_id from checkpoints where kind = 'reward_model'
            ) then ['sampler']
            when edges.asset like '%/generations' then ['ranker']  -- of adaptive n
            when edges.asset like '%/scores' or edges.asset like '%/label_queue' then ['ranker']
            -- a policy gradient is trained on a reward model itself
            when edges.asset like '%/policy' and edges.input_asset like '%reward_model%' then ['ranker']
            else ['model']
        end as relations
    from edges
    left join models on models.asset = edges.asset and models.checkpoint_id = edges.output_id
)

select
    asset,
    output_id,
    input_asset,
    input_id,
    unnest(relations) as relation
from related
