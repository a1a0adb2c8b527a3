"""Feedback in the loop: label queues, preference labels, and the pairs of a refresh."""
