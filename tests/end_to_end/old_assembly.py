"""The cloud assembly of commit 70254ec, as it was deployed: templates and Lambda code, packed without the layer.

Packed by ``python -m tests.end_to_end.old_assembly ASSEMBLY`` from what ``cdk synth`` wrote in a clone of that commit,
with ``max_running`` 1 for the environment ``local``. The dependency layer is left out: its asset is named by the lock
file, which has not changed since, so that a synthesis of today makes the same one. Should the lock file change, the old
Lambdas run on the packages of today.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
from pathlib import Path

PACKED = Path(__file__).with_name("assembly_at_70254ec.tar.xz")
LEFT_OUT = ("tree.json", "validation-report.json")


def unpack(folder: Path, today: Path) -> Path:
    """Unpack the old assembly, with the dependency layer of an assembly of today.

    Parameters
    ----------
    folder : Path
        Gets the assembly.
    today : Path
        A cloud assembly of the present code.
    """
    with tarfile.open(PACKED) as archive:
        archive.extractall(folder, filter="data")
    (layer,) = (asset for asset in today.glob("asset.*") if (asset / "python" / "boto3").is_dir())
    shutil.copytree(layer, folder / _layer_of(folder), symlinks=True)
    return folder


def pack(assembly: Path) -> None:
    """Pack an assembly: files in order, without times and owners, so that the same gives the same bytes."""
    manifest = json.loads((assembly / "manifest.json").read_text())
    for artifact in manifest["artifacts"].values():
        artifact.pop("additionalMetadataFile", None)
    kept = {
        name: found for name, found in manifest["artifacts"].items() if found["type"].startswith(("cdk:asset", "aws:"))
    }
    files = {"manifest.json": json.dumps({**manifest, "artifacts": kept}).encode()}
    layer = _layer_of(assembly)
    for path in sorted(found for found in assembly.rglob("*") if found.is_file()):
        name = str(path.relative_to(assembly))
        if name not in (*files, *LEFT_OUT) and not name.startswith(layer) and not name.endswith(".metadata.json"):
            files[name] = path.read_bytes()
    with tarfile.open(PACKED, "w:xz", preset=9) as archive:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def _layer_of(assembly: Path) -> str:
    assets = json.loads((assembly / "distillation-local-pipeline.assets.json").read_text())["files"].values()
    (path,) = (asset["source"]["path"] for asset in assets if asset["displayName"].startswith("Dependencies/"))
    return str(path)


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
