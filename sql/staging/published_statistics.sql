-- One row per dataset of Table 1 of the paper (Dong et al. 2024, arXiv 2405.07863, version 3), under
-- the name of its catalogue entry. The paper counted with its own tokenizer. Token figures are means
-- per pair; `prompts` are distinct. The paper's Capybara is the set of 14,811 pairs (`capybara`); its
-- footnote refers to another set.
select
    entry,
    prompts::bigint as prompts,
    prompt_tokens::double as prompt_tokens,
    chosen_tokens::double as chosen_tokens,
    rejected_tokens::double as rejected_tokens,
    pairs::bigint as pairs
from (
    values
    ('hh_rlhf', 115092, 160.4, 82.2, 73.6, 115396),
    ('shp', 31003, 186.2, 173.6, 88.8, 93301),
    ('helpsteer', 8592, 530.0, 116.4, 89.3, 37131),
    ('pku_saferlhf_30k', 6975, 21.5, 70.4, 74.6, 26874),
    ('ultrafeedback', 63591, 161.5, 279.5, 211.1, 340025),
    ('ultrainteract', 76086, 507.4, 396.6, 416.7, 161927),
    ('code_ultrafeedback', 9938, 172.8, 427.6, 400.6, 50156),
    ('argilla_math', 2352, 36.5, 276.5, 265.3, 2418),
    ('orca_pairs', 6791, 153.3, 165.4, 260.5, 6926),
    ('capybara', 14740, 634.5, 348.4, 401.9, 14811)
) as paper (entry, prompts, prompt_tokens, chosen_tokens, rejected_tokens, pairs)
