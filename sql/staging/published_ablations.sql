-- Table 6 of the paper (Dong et al. 2024, arXiv 2405.07863, version 3, page 18), as printed: the
-- effect of the reward model and of the length penalty (reward units per character) on the final
-- model. Per cent, except response_length, the mean length of the responses to Arena-Hard, whose unit
-- the paper does not give. TruthfulQA of the first row is 62.2 here and 60.4 in Table 5
-- (`published_academic_benchmarks`): both tables are kept as printed.
select *, 'Table 6, page 18' as source
from (
    values
    (1, 'Ours', 'ours', null, 37.2, 29.1, 656, 80.7, 65.3, 64.6, 62.2, 64.3, 60.8),
    (2, 'Ours-concise', 'ours', 0.001, 41.9, 22.1, 382, 78.8, 65.5, 66.5, 60.4, 65.1, 62.4),
    (3, 'UltraRM-13B', 'UltraRM-13B', null, 20.7, 24.3, 745, 78.9, 64.9, 63.7, 59.9, 63.6, 60.8)
) as paper (
    line, model, ranker, length_penalty, alpaca_eval_lc, arena_hard, response_length, gsm8k, mmlu,
    humaneval, truthfulqa, arc, mbpp
)
