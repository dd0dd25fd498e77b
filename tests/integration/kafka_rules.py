"""The rules of SECURITY.md's table, given to a broker as they are written there."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from tests.processes import ROOT

_ROW = re.compile(r"^\| `(\w+)` \| ([\w, ]+) \| (topic|group|transactional id)s? (`.*`) \|$", re.MULTILINE)
# The same in every installation: groups that nobody joins, which librdkafka wants named.
_SHARED = re.compile(r"__|creditstream-(reader|recovery|broadcast|rate-cards-)")
_KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "transactional id": ResourceType.TRANSACTIONAL_ID}
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


class Rule(NamedTuple):
    """One user may do one thing with one resource."""

    user: str
    operation: str
    kind: str
    name: str


def written_rules() -> list[Rule]:
    """Those of SECURITY.md."""
    rows = _ROW.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    return [
        Rule(user, operation, kind, name)
        for user, operations, kind, names in rows
        for operation in operations.split(", ")
        for name in re.findall(r"`([^`]+)`", names)
    ]


def give(admin: AdminClient, rules: list[Rule], prefix: str) -> None:
    """Have the broker enforce the rules for an installation whose names begin with the prefix."""
    for future in admin.create_acls(list(_bindings(rules, prefix))).values():
        future.result(30)


def _bindings(rules: list[Rule], prefix: str) -> Iterator[AclBinding]:
    for rule in rules:
        name = rule.name if _SHARED.match(rule.name) else f"{prefix}{rule.name}"
        pattern = ResourcePatternType.PREFIXED if name.endswith("*") else ResourcePatternType.LITERAL
        yield AclBinding(
            _KINDS[rule.kind],
            name.rstrip("*"),
            pattern,
            f"User:{rule.user}",
            "*",
            _OPERATIONS[rule.operation],
            AclPermissionType.ALLOW,
        )
