import pytest

from transforms.errors import InputError
from transforms.lake.store.folder import Folder
from transforms.lake.store.registry import open_store


@pytest.mark.parametrize("place", ["~/lake", "a/../lake", "/lake"])
def test_a_path_is_a_folder(place):
    assert isinstance(open_store(place), Folder)
    assert ".." not in open_store(place).address("tables")


def test_an_address_of_no_store_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"(?s)s3://, gs://, az://.*found: +ftp://"):
        open_store("ftp://host/lake")
