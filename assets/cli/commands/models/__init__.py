"""Commands on one model of the lake: measure, export, train again, sample, chat."""
