-- Passes when every response has a score. One row per response without a score, in a slice whose
-- scores or pairs have been written.
with

generations as (select * from generations),

scores as (select * from scores),

dpo_pairs as (select * from dpo_pairs),

scored_slices as (
    select experiment, iteration from scores
    union
    select experiment, iteration from dpo_pairs
)

select
    generations.experiment,
    generations.iteration,
    generations.prompt_id,
    generations.response_index
from generations
semi join scored_slices using (experiment, iteration)
anti join scores using (experiment, iteration, prompt_id, response_index)
order by all
