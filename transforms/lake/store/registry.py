"""The places where a lake can be, by the scheme of its address."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from transforms.errors import InputError
from transforms.lake.store.folder import Folder
from transforms.lake.store.store import Store


@cache
def _open_objects(address: str) -> Store:
    from transforms.lake.store.object_store import ObjectStore  # of the extra `store`

    return ObjectStore(address)


OBJECT_STORES: Mapping[str, Callable[[str], Store]] = dict.fromkeys(
    ("s3", "gs", "az"), _open_objects
)
"""What opens an address `scheme://bucket/path`, by scheme."""


def is_address(root: Path | str) -> bool:
    """Check whether a lake is named by an address; else it is a folder."""
    return "://" in str(root)


def open_store(root: Path | str) -> Store:
    """Open the place of a lake.

    Args:
        root: a folder, or an address such as `s3://bucket/path`. Credentials and endpoint come from
            the environment, such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL.

    Raises:
        InputError: there is no such scheme, or the extra `store` is not installed.
    """
    if not is_address(root):
        return Folder(root)
    address = str(root).rstrip("/")
    scheme = address.partition("://")[0]
    if scheme not in OBJECT_STORES:
        raise InputError(
            f"a lake cannot be at {address}",
            expected=f"a folder, or an address of {', '.join(f'{s}://' for s in OBJECT_STORES)}",
            found=f"{scheme}://",
            remedy="correct the address",
        )
    try:
        return OBJECT_STORES[scheme](address)
    except ModuleNotFoundError as error:
        raise InputError(
            f"a lake at {scheme}:// needs a package",
            expected="the extra `store` of prefloop",
            found=f"no package {error.name}",
            remedy="pip install 'prefloop[store]'",
        ) from None
