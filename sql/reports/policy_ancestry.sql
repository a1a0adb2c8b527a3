-- One row per checkpoint: the chain of models that it was trained from, the oldest first.
-- A parent is found by its content hash, whichever experiment made it.
with recursive

checkpoints as (select * from checkpoints),

-- two experiments may arrive at the same weights: one name a hash
models as (
    select checkpoint_id, min_by(asset, created_at) as asset, min_by(parent_id, created_at) as parent_id
    from checkpoints
    group by checkpoint_id
),

steps as (
    select checkpoint_id, parent_id, [checkpoint_id] as seen, asset as ancestry, 0 as ancestors
    from models
    union all
    select
        steps.checkpoint_id,
        models.parent_id,
        list_append(steps.seen, models.checkpoint_id) as seen,
        models.asset || ' > ' || steps.ancestry as ancestry,
        steps.ancestors + 1 as ancestors
    from steps
    inner join models on models.checkpoint_id = steps.parent_id
    -- training that changed nothing makes a model its own parent
    where not list_contains(steps.seen, models.checkpoint_id)
),

longest as (
    select checkpoint_id, max(ancestors) as ancestors, max_by(ancestry, ancestors) as ancestry
    from steps
    group by checkpoint_id
)

select
    checkpoints.experiment,
    checkpoints.iteration,
    checkpoints.asset,
    checkpoints.kind,
    longest.ancestors,
    longest.ancestry,
    "references".asset as reference,
    checkpoints.checkpoint_id,
    checkpoints.parent_id,
    checkpoints.created_at
from checkpoints
inner join longest using (checkpoint_id)
left join models as "references" on "references".checkpoint_id = checkpoints.reference_id
order by checkpoints.experiment, checkpoints.iteration, checkpoints.asset, checkpoints.created_at
