"""A broker that lets nobody in without TLS and a name, and lets nobody do what no rule allows."""

from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from deploy.local.kafka import LocalKafka
from deploy.local.ports import LOOPBACK, free_port

ADMIN, ADMIN_PASSWORD = "admin", "admin-pass-4a1f"
_HEAP_MIB = 384


class Certificates:
    """An authority of the tests' own, the broker's certificate, a client's, and an authority that signed neither."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        self.authority = _written(folder / "ca.pem", authority.cert_pem.bytes())
        self.stranger = _written(folder / "stranger.pem", trustme.CA().cert_pem.bytes())
        broker = authority.issue_cert(LOOPBACK, "localhost")
        self.broker = _written(folder / "broker.pem", _key(broker) + _chain(broker))
        other_host = authority.issue_cert("elsewhere.invalid")
        self.other_host = _written(folder / "other-host.pem", _key(other_host) + _chain(other_host))
        client = authority.issue_cert("client.invalid", common_name=ADMIN)
        self.client = _written(folder / "client.pem", _chain(client))
        self.client_key = _written(folder / "client-key.pem", _key(client))


class SecuredKafka(LocalKafka):
    """SASL_SSL with SCRAM-SHA-512 on its port, TLS with client certificates on another; ACLs are enforced."""

    def __init__(self, folder: Path, certificates: Certificates, passwords: dict[str, str], owner_pid: int) -> None:
        super().__init__(folder, owner_pid=owner_pid, heap_mib=_HEAP_MIB)
        self._certificates = certificates
        self._passwords = {ADMIN: ADMIN_PASSWORD, **passwords}
        self.certificate_port = free_port()

    def security(self, user: str) -> dict[str, object]:
        """The settings of a process that is this user."""
        return {
            "security_protocol": "SASL_SSL",
            "sasl_username": user,
            "sasl_password": self._passwords[user],
            "ssl_ca_location": self._certificates.authority,
        }

    @property
    def admin(self) -> dict[str, str | int | float | bool]:
        """How librdkafka reaches it as the one who may do everything."""
        return self._client_settings()

    def _client_settings(self) -> dict[str, str | int | float | bool]:
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": ADMIN,
            "sasl.password": ADMIN_PASSWORD,
            "ssl.ca.location": str(self._certificates.authority),
        }

    def _server_settings(self, port: int) -> dict[str, str]:
        settings = super()._server_settings(port)
        controller = settings["listeners"].partition(",")[2]
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
        return {
            **settings,
            "listeners": f"SASL_SSL://{LOOPBACK}:{port},SSL://{LOOPBACK}:{self.certificate_port},{controller}",
            "advertised.listeners": f"SASL_SSL://{LOOPBACK}:{port},SSL://{LOOPBACK}:{self.certificate_port}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
                f'{scram} required username="{ADMIN}" password="{ADMIN_PASSWORD}";'
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._certificates.broker),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self._certificates.authority),
            "listener.name.ssl.ssl.client.auth": "required",
            "ssl.principal.mapping.rules": "RULE:^.*CN=([a-z]+).*$/$1/",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The controller's listener knows no names; it is the loopback interface's.
            "super.users": f"User:{ADMIN};User:ANONYMOUS",
        }

    def _format_arguments(self) -> list[str]:
        users = self._passwords.items()
        return [
            part
            for name, password in users
            for part in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ]


def _written(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def _chain(issued: trustme.LeafCert) -> bytes:
    return b"".join(part.bytes() for part in issued.cert_chain_pems)


def _key(issued: trustme.LeafCert) -> bytes:
    """As PKCS 8, the only form that Java reads."""
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
