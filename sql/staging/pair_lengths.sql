-- One row per DPO pair: the number of characters of its two responses.
with

dpo_pairs as (select * from dpo_pairs),

measured as (
    select
        experiment,
        iteration,
        prompt_id,
        margin,
        length(chosen[1].content) as chosen_chars,
        length(rejected[1].content) as rejected_chars
    from dpo_pairs
)

select * from measured
