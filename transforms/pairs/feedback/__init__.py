"""Fresh feedback in the loop: which pairs are labelled, who said what, the pairs of a refresh.

Not here: computing a reward, asking a judge, training (`training`).
"""
