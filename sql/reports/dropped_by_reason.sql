-- One row per table, origin and reason: the number of rows dropped by rules. The origin is the
-- source; for DPO pairs it is experiment/iteration.
-- There are rows once a rule drops a row.
with

dropped_rows as (select * from dropped_rows),

dropped_pairs as (select * from dropped_pairs),

dropped as (
    select "table", source as origin, reason from dropped_rows
    union all
    select 'dpo_pairs' as "table", concat_ws('/', experiment, iteration) as origin, reason
    from dropped_pairs
),

counted as (
    select "table", origin, reason, count(*) as dropped_rows
    from dropped
    group by "table", origin, reason
)

select
    *,
    dropped_rows / sum(dropped_rows) over (partition by "table", origin) as share_of_dropped
from counted
order by "table", origin, dropped_rows desc, reason
