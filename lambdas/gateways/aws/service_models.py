"""A boto3 session that finds and reads the service models quickly: that is most of what making a client takes."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

import boto3
from botocore.exceptions import DataNotFoundError
from botocore.loaders import JSONFileLoader, Loader, instance_cache
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

    @instance_cache
    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> dict[str, Any]:
        """Load what botocore loads, without looking into the folders of all services to see whether this is one.

        botocore does so twice for the first client: some 900 folders are read, which is an eighth of its start.
        """
        try:
            version = api_version or self.determine_latest_version(service_name, type_name)
        except DataNotFoundError:
            # Whoever asks for a service that is not there is told which there are.
            return dict(super().load_service_model(service_name, type_name, api_version))
        model: dict[str, Any] = self.load_data(f"{service_name}/{version}/{type_name}")
        self._extras_processor.process(model, self._find_extras(service_name, type_name, version))  # type: ignore[attr-defined]
        return model


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
