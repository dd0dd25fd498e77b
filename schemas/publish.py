"""The documents others build against, in `schemas/published`: JSON Schemas and AsyncAPI, from the structs."""

import json
from pathlib import Path
from typing import Any

from schemas.asyncapi import asyncapi
from schemas.json_schemas import MESSAGES, json_schema

PUBLISHED = Path(__file__).parent / "published"


def documents() -> dict[str, str]:
    """Every document's text by its file's name; the same structs always give the same text."""
    made = {f"{name}.json": json_schema(message) for name, message in MESSAGES.items()}
    made["asyncapi.json"] = asyncapi()
    return {name: _text(document) for name, document in made.items()}


def write(folder: Path = PUBLISHED) -> list[str]:
    """Writes what differs, removes what is no longer published; returns the names of the files it changed."""
    changed = differing(folder)
    folder.mkdir(parents=True, exist_ok=True)
    current = documents()
    for name in changed:
        if name in current:
            (folder / name).write_text(current[name], encoding="utf-8")
        else:
            (folder / name).unlink()
    return changed


def differing(folder: Path = PUBLISHED) -> list[str]:
    """The names of files that are missing, out of date, or published no longer."""
    kept = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    current = documents()
    return sorted(name for name in kept.keys() | current.keys() if kept.get(name) != current.get(name))


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
