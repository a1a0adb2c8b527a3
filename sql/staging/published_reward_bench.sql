-- Table 2 of the paper (Dong et al. 2024, arXiv 2405.07863, version 3): accuracy of reward models,
-- preference models and prompted judges on RewardBench, per cent. The mixture of the second row is
-- mix1 (HH-RLHF, SHP, UltraFeedback, summarization), of the others mix2 (all of Table 1). The paper
-- does not give the weights for Safety.
select *
from (
    values
    ('LLaMA-3-8B-it', 'judge', null, 93.6, 44.3, 71.3, 73.5),
    ('LLaMA-2-13B', 'reward_model', 'mix1', 96.4, 55.5, 55.0, 62.4),
    ('LLaMA-3-8B-it', 'reward_model', 'mix2', 99.4, 65.0, 87.7, 87.8),
    ('LLaMA-3-8B-it', 'preference_model', 'mix2', 98.6, 65.8, 89.6, 94.9),
    ('Gemma-2B-it', 'judge', null, 70.3, 42.3, 38.2, 50.0),
    ('Gemma-2B-it', 'reward_model', 'mix2', 95.0, 40.8, 81.2, 74.2),
    ('Gemma-2B-it', 'preference_model', 'mix2', 96.0, 40.5, 82.8, 80.7)
) as paper (model, kind, mixture, chat, chat_hard, safety, reasoning)
