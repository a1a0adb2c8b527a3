"""Origins as the record of a materialization has them."""

from assets.data.sources import dump_origin
from transforms.settings.sources import OriginSettings


def test_a_part_that_is_added_to_a_folder_changes_the_recorded_origin(tmp_path):
    folder = tmp_path / "parts" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text("{}")
    origin = OriginSettings(files=(str(tmp_path),))
    before = dump_origin(origin)
    assert before == dump_origin(origin)
    (folder / "b.jsonl").write_text("{}")
    assert dump_origin(origin) != before
    assert dump_origin(OriginSettings())["file_bytes_and_mtime_ns"] == []
