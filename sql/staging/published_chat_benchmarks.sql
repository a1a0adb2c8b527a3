-- Table 4 of the paper (Dong et al. 2024, arXiv 2405.07863, version 3, page 17), as printed: the
-- length-controlled win rate of AlpacaEval 2 and the win rate of Arena-Hard in per cent, the score
-- of MT-Bench from 1 to 10. Null is the paper's X, "the value is unavailable". MoE is a mixture
-- of experts (the paper's asterisk), RS rejection sampling. The paper gives no errors.
select *, 'Table 4, page 17' as source
from (
    values
    (1, 'Gemma-7B-it', '7B', 'SFT', 10.4, 6.38, 7.5),
    (2, 'Zephyr-7B-beta', '7B', 'Vanilla DPO', 13.1, 7.34, null),
    (3, 'Mistral-7B-v0.2-it', '7B', 'SFT', 17.1, 7.51, 12.6),
    (4, 'Open-Chat-0106', '7B', 'SFT', 15.6, 7.8, null),
    (5, 'Starling-7B-beta', '7B', 'PPO', 25.8, 8.12, 23.0),
    (6, 'LLaMA-3-8B-it', '8B', 'RS+DPO+PPO', 22.9, 8.16, 20.6),
    (7, 'Ours (SFT baseline)', '8B', 'SFT', 10.2, 7.69, 5.6),
    (8, 'Ours (DPO baseline)', '8B', 'Vanilla DPO', 22.5, 8.17, 22.4),
    (9, 'Ours (Iterative RLHF)', '8B', 'Iterative DPO', 37.2, 8.46, 29.1),
    (10, 'Vicuna-33b-v1.3', '33B', 'SFT', 17.6, 7.12, 8.6),
    (11, 'Yi-34B-Chat', '34B', 'SFT', 27.2, null, 23.1),
    (12, 'Mixtral-8x7B-it', '45B MoE', 'SFT', 23.7, 8.30, 23.4),
    (13, 'Tulu-2-DPO-70B', '70B', 'Vanilla DPO', 21.2, 7.89, 15.0),
    (14, 'LLaMA-3-70B-it', '70B', 'RS+DPO+PPO', 34.4, 8.95, 41.1),
    (15, 'Mixtral-8x22B-it', '141B MoE', 'SFT', 30.9, 8.66, 36.4),
    (16, 'GPT-3.5-turbo-1106', null, null, 19.3, 8.35, 18.9),
    (17, 'GPT-3.5-turbo-0613', null, null, 22.7, 8.39, 24.8),
    (18, 'GPT-4-0613', null, null, 30.2, 9.18, 37.9),
    (19, 'Claude-3-Opus', null, null, 40.5, 9.00, 60.4),
    (20, 'GPT-4 Turbo (04/09)', null, null, 55.0, null, 82.6)
) as paper (line, model, size, method, alpaca_eval_lc, mt_bench, arena_hard)
