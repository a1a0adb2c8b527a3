-- One row per checkpoint, ancestor, and relation: the models it was trained from, its reference,
-- the policies that sampled its responses, their ranker, and the Delta version of every table.
-- `step` is the number of assets on the shortest path from the checkpoint to the ancestor (1: read
-- by the training itself). `relation` is that of the ancestor to the asset that read it
-- (`lineage_edges`).
-- There are rows once a model is trained.
with recursive

checkpoints as (select * from checkpoints),

lineage_edges as (select * from lineage_edges),

-- two experiments may train equal weights: one row per model
models as (
    select
        asset,
        checkpoint_id,
        arg_min(experiment, commit_version) as experiment,
        arg_min(iteration, commit_version) as iteration,
        min(commit_version) as commit_version
    from checkpoints
    group by asset, checkpoint_id
),

steps as (
    select
        asset as of_asset,
        output_id as of_id,
        input_asset,
        input_id,
        relation,
        1 as step
    from lineage_edges
    where output_id in (select checkpoint_id from models)
    union
    select
        steps.of_asset,
        steps.of_id,
        lineage_edges.input_asset,
        lineage_edges.input_id,
        lineage_edges.relation,
        steps.step + 1 as step
    from steps
    inner join lineage_edges
        on lineage_edges.asset = steps.input_asset
        and lineage_edges.output_id = steps.input_id
),

nearest as (
    select of_asset, of_id, input_asset, input_id, relation, min(step) as step
    from steps
    group by all
)

select
    models.experiment,
    models.iteration,
    models.asset as checkpoint_asset,
    models.checkpoint_id,
    nearest.step,
    nearest.relation,
    nearest.input_asset as asset,
    if(nearest.relation = 'data', null, nearest.input_id) as ancestor_id,
    if(nearest.relation = 'data', split_part(nearest.input_id, '@', 1), null) as "table",
    if(nearest.relation = 'data', try_cast(split_part(nearest.input_id, '@', 2) as bigint), null)
        as version
from models
inner join nearest on nearest.of_asset = models.asset and nearest.of_id = models.checkpoint_id
order by models.commit_version, checkpoint_asset, nearest.step, nearest.relation, asset
