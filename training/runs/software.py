"""Software that a training's settings need, looked for before anything runs. Imports no torch."""

import os
import shutil
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec

from packaging.requirements import Requirement

from training.settings.training import TrainingSettings
from transforms.errors import InputError

ATTENTION = {"flash_attention_2": "flash_attn", "flash_attention_3": "flash_attn_interface"}
"""Modules of the packages of flash attention."""

COMPILERS = ("g++", "clang++")
"""Compilers that torch.compile uses, if the variable CXX does not name another one."""


def check_versions() -> str:
    """Compare the installed packages with the versions that prefloop is made for.

    A package of an extra is compared if it is installed.

    Raises:
        InputError: a package is missing or has another version; all are listed.
    """
    needed = [Requirement(text) for text in requires("prefloop") or []]
    wrong, compared = [], 0
    for one in needed:
        try:
            found = version(one.name)
        except PackageNotFoundError:
            if one.marker is None:
                wrong.append(f"no {one.name}")
            continue
        compared += 1
        if not one.specifier.contains(found, prereleases=True):
            wrong.append(f"{one.name} {found}, not {one.specifier}")
    if wrong:
        raise InputError(
            "packages do not fit together",
            expected="the versions of pyproject.toml",
            found="; ".join(wrong),
            remedy="make a new environment: pip install 'prefloop[cpu]' or 'prefloop[gpu]'",
        )
    return f"{compared} packages fit"


def require_software(settings: TrainingSettings) -> None:
    """Refuse settings that need a package or a compiler that is not here.

    Raises:
        InputError: the first one that is missing.
    """
    for name in ("load_in_4bit", "optimizer", "attn_implementation"):
        value = getattr(settings, name)
        module = ATTENTION.get(value) if name == "attn_implementation" else "bitsandbytes"
        unset = value == TrainingSettings.model_fields[name].default
        if not unset and module and find_spec(module) is None:
            raise InputError(
                f"a package for {name}: {value} is missing",
                expected=f"the module {module}",
                found="no such module in this environment",
                remedy="pip install 'prefloop[qlora]'"
                if module == "bitsandbytes"
                else "install flash-attn for this GPU, or set attn_implementation to sdpa",
            )
    compilers = [os.environ["CXX"]] if "CXX" in os.environ else [*COMPILERS]
    if settings.torch_compile and not any(map(shutil.which, compilers)):
        raise InputError(
            "a compiler for torch_compile is missing",
            expected=" or ".join(compilers),
            found="no such program",
            remedy="install a C++ compiler, or set torch_compile to false",
        )
