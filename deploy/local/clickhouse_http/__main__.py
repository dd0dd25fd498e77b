"""Serve the databases of a folder over ClickHouse's HTTP interface until SIGTERM or SIGINT."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web

from deploy.local.clickhouse_http.engine import Engine
from deploy.local.clickhouse_http.server import HttpInterface
from deploy.local.clickhouse_http.users import Users, read_users
from deploy.local.exclusive import AlreadyHeldError, exclusive

_SHUTDOWN_SECONDS = 5


def main() -> int:
    """0 after a clean end; 1 when the data folder or the port cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local.clickhouse_http", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the databases")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--users", type=Path, required=True, help="JSON file of the users")
    options = parser.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    try:
        with exclusive(options.data.with_name(f"{options.data.name}.lock"), wait=False):
            return asyncio.run(_serve(options.data, options.port, read_users(options.users)))
    except AlreadyHeldError:
        print(f"another process serves {options.data}: end it or choose another folder", file=sys.stderr)
        return 1


async def _serve(data: Path, port: int, users: Users) -> int:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    engine = Engine(data)
    interface = HttpInterface(engine, users)
    runner = web.AppRunner(
        interface.application(), auto_decompress=False, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        print(f"ClickHouse {engine.version} serves {data} on http://127.0.0.1:{port}", flush=True)
        await ended.wait()
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{port}: {error}", file=sys.stderr)
        return 1
    finally:
        await runner.cleanup()
        interface.close()
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
