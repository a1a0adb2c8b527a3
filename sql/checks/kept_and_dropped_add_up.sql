-- Passes when the kept and the dropped rows add up to the incoming rows. One row per table and
-- source whose kept and dropped rows do not add up to its incoming rows: rows disappeared, or were
-- counted twice.
with

source_rows as (select * from source_rows),

dropped_rows as (select * from dropped_rows),

kept as (
    select 'preference_pairs' as "table", source, count(*) as rows_kept
    from preference_pairs
    group by source
    union all
    select 'demonstrations' as "table", source, count(*) as rows_kept
    from demonstrations
    group by source
    union all
    select 'prompts' as "table", source, count(*) as rows_kept
    from prompts
    group by source
    union all
    select concat('raw_', source) as "table", source, count(*) as rows_kept
    from raw_row_keys
    group by source
),

dropped as (
    select "table", source, count(*) as rows_dropped
    from dropped_rows
    group by "table", source
),

counted as (
    select
        source_rows."table",
        source_rows.source,
        source_rows.rows_in,
        coalesce(kept.rows_kept, 0) as rows_kept,
        coalesce(dropped.rows_dropped, 0) as rows_dropped
    from source_rows
    left join kept on source_rows."table" = kept."table" and source_rows.source = kept.source
    left join dropped
        on source_rows."table" = dropped."table" and source_rows.source = dropped.source
)

select *
from counted
where rows_in <> rows_kept + rows_dropped
order by "table", source
