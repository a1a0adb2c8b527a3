-- Passes when every training pair is in the mixture or in the ledger of dropped rows. One row per
-- mixture and source whose training pairs are not all in the mixture or, with a reason, in the
-- ledger. The mixture `all` must have every source; other mixtures may leave out sources.
with

mixture_pairs as (select * from mixture_pairs),

dropped_rows as (select * from dropped_rows),

train as (
    select source, count(*) as train_pairs
    from preference_pairs
    where split = 'train'
    group by source
),

mixed as (
    select mixture, source, count(distinct pair_id) as mixed_pairs
    from mixture_pairs
    group by mixture, source
),

dropped as (
    select substr("table", length('mixture_') + 1) as mixture, source, count(*) as dropped_pairs
    from dropped_rows
    where starts_with("table", 'mixture_')
    group by "table", source
),

mixtures as (
    select mixture from mixed
    union
    select mixture from dropped
    union
    select 'all' as mixture
),

counted as (
    select
        mixtures.mixture,
        train.source,
        train.train_pairs,
        coalesce(mixed.mixed_pairs, 0) as mixed_pairs,
        coalesce(dropped.dropped_pairs, 0) as dropped_pairs
    from mixtures
    cross join train
    left join mixed on mixtures.mixture = mixed.mixture and train.source = mixed.source
    left join dropped on mixtures.mixture = dropped.mixture and train.source = dropped.source
)

select *
from counted
where
    train_pairs <> mixed_pairs + dropped_pairs
    and (mixture = 'all' or mixed_pairs + dropped_pairs > 0)
order by mixture, source
