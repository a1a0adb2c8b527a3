import polars as pl

from transforms.lake.schemas import schema_of
from transforms.measures.training_curves import describe_end, order_metrics, select_last_values


def test_loss_accuracy_and_margin_are_the_first_metrics():
    names = ["lr", "rewards/margins", "mean_token_accuracy", "rewards/accuracies", "loss", "lr"]
    first = ["loss", "rewards/accuracies", "rewards/margins", "lr", "mean_token_accuracy"]
    assert order_metrics(names) == first
    rows = [("e", 1, "p", step, 0.1, name, 1.0 * step) for name in names for step in (2, 1)]
    metrics = pl.DataFrame(rows, schema=schema_of("training_metrics"), orient="row")
    assert select_last_values(metrics).rows() == [(name, 2, 2.0) for name in first]
    assert describe_end(metrics) == {"last_loss": 2.0, "last_accuracy": 2.0, "last_margin": 2.0}
