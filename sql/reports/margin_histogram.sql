-- One row per experiment, iteration and bin: the distribution of the margins of its DPO pairs
-- (chosen minus rejected penalised reward, in the ranker's unit). An experiment's iterations share
-- thirty bins of equal width from 0 to the largest margin; bins without a pair are left out.
-- There are rows once an iteration has its pairs (asset iteration_1/dpo_pairs).
with

dpo_pairs as (select * from dpo_pairs),

bounds as (
    select experiment, if(max(margin) > 0, max(margin), 1) / 30 as width
    from dpo_pairs
    group by experiment
),

binned as (
    select
        dpo_pairs.experiment,
        dpo_pairs.iteration,
        bounds.width,
        least(floor(dpo_pairs.margin / bounds.width), 29)::int as bin
    from dpo_pairs
    inner join bounds using (experiment)
)

select
    experiment,
    iteration,
    bin * width as margin_from,
    (bin + 1) * width as margin_to,
    count(*) as pairs
from binned
group by experiment, iteration, width, bin
order by experiment, iteration, bin
