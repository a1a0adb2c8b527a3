-- One row per judge, comparison and order: the answer that counts. A request that failed is sent
-- again, and two runs may send the same one: the first commit of the comparison without an error
-- counts; if every commit has one, the last.
with

judgments as (select * from judgments),

commits as (
    select judge_id, comparison_id, commit_version, count(error) = 0 as answered
    from judgments
    group by judge_id, comparison_id, commit_version
),

counting as (
    select
        judge_id,
        comparison_id,
        coalesce(min(commit_version) filter (answered), max(commit_version)) as commit_version
    from commits
    group by judge_id, comparison_id
)

select judgments.*
from judgments
inner join counting using (judge_id, comparison_id, commit_version)
