"""Room on the disk, asked before a service finds out in the middle of a write."""

import shutil
from pathlib import Path

from deploy.local.errors import LocalStackError

LEAST_FREE_BYTES = 1 << 30
_MIB = 1 << 20


def require_space(folder: Path, least_bytes: int = LEAST_FREE_BYTES) -> None:
    """Make the folder; LocalStackError when it cannot be written or too little is free."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise LocalStackError(
            f"cannot use the data folder {folder}: {error.strerror}. Choose another with --data."
        ) from None
    if free < least_bytes:
        raise LocalStackError(
            f"too little space for {folder}: {free // _MIB} MiB free, {least_bytes // _MIB} MiB needed. "
            "Free some, or choose another folder with --data."
        )
