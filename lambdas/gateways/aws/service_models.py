"""A boto3 session that reads the service models quickly: that is most of what making a client takes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

import boto3
from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session

_decoded: Callable[[bytes], Any] | None
try:
    _decoded = importlib.import_module("orjson").loads
except ImportError:  # a layer without the compiled reader works as well, only more slowly
    _decoded = None


class _QuickFileLoader(JSONFileLoader):
    """Reads with orjson what botocore reads with ``json`` into ordered dicts; dicts keep their order by themselves."""

    def _load_file(self, full_path: str, open_method: Callable[..., Any]) -> Any:  # noqa: ANN401 - any JSON value
        if _decoded is None or not os.path.isfile(full_path):  # noqa: PTH113 - a Path would be made for each candidate
            return super()._load_file(full_path, open_method)  # type: ignore[misc]
        with open_method(full_path, "rb") as file:
            return _decoded(file.read())


class _QuickLoader(Loader):
    FILE_LOADER_CLASS = _QuickFileLoader


def session() -> boto3.session.Session:
    """Make a session whose clients cost about half of the usual processor time.

    The loader is botocore's own component, replaced where botocore lets it be replaced
    (``Session.register_component``); the models and the search path stay the same.
    """
    core = Session()
    extra = core.get_config_variable("data_path")
    paths = [os.path.expanduser(os.path.expandvars(path)) for path in extra.split(os.pathsep)] if extra else []  # noqa: PTH111
    core.register_component("data_loader", _QuickLoader(extra_search_paths=paths))
    return boto3.session.Session(botocore_session=core)
