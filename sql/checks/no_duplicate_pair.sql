-- Passes when no DPO pair occurs twice in a slice. One row per DPO pair (by the texts of its two
-- responses and its prompt) that occurs more than once in a slice: training would use it too often.
with

dpo_pairs as (select * from dpo_pairs)

select
    experiment,
    iteration,
    prompt_id,
    chosen_response_index,
    rejected_response_index,
    rows_found
from (
    select
        *,
        count(*) over (partition by experiment, iteration, prompt_id, chosen, rejected) as rows_found
    from dpo_pairs
)
where rows_found > 1
order by all
