-- Passes when every raw row is in the standard table or in the ledger of dropped rows. One row per
-- raw row that is neither in the standard table nor in the ledger of dropped rows. The row keys of
-- pairs contain the keys of their raw rows (transforms/sources/layouts/comparisons.py).
with

source_rows as (select * from source_rows),

entered as (
    select 'preference_pairs' as "table", source, row_key from preference_pairs
    union all
    select 'demonstrations' as "table", source, row_key from demonstrations
    union all
    select "table", source, row_key from dropped_rows
),

named as (
    select "table", source, unnest(string_split(row_key, '|')) as row_key
    from entered
),

found as (
    select distinct "table", source, regexp_replace(row_key, '#\d+(,\d+)?$', '') as row_key
    from named
),

expected as (
    select source_rows."table", source_rows.source, raw_row_keys.row_key
    from source_rows
    inner join raw_row_keys using (source)
    where source_rows."table" in ('preference_pairs', 'demonstrations')
)

select expected.*
from expected
anti join found using ("table", source, row_key)
order by all
