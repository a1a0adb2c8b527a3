-- One row per policy, report and number: a figure of `reported_scores`, or its standard error,
-- named `<figure>_se`.
with

reported_scores as (select * from reported_scores)

select
    * exclude (name, value, standard_error),
    unnest([
        {'figure': name, 'number': value},
        {'figure': name || '_se', 'number': standard_error}
    ], recursive := true)
from reported_scores
