"""Write the graph of the quickstart to graph_snapshot.json, for review as a diff."""

import importlib.util
import json
from pathlib import Path

HERE = Path(__file__).parent

if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("snapshot_test", HERE / "test_definitions.py")
    test = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(test)
    recipe = test.load_recipe(test.ROOT / "recipes" / "quickstart.yaml")
    test.SNAPSHOT.write_text(json.dumps(test.graph_of(recipe), indent=1, sort_keys=True) + "\n")
