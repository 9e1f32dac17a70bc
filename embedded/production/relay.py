"""Passes bytes between a listening address and a target, as a network does, and answers 503 while it is told to.

An address is ``tcp:PORT`` on loopback or ``unix:PATH``. As a program::

    python -m embedded.production.relay tcp:9000=tcp:9001 --outage FILE

While ``FILE`` exists every connection is closed and each new request gets ``503 Service Unavailable``,
as an overloaded object store answers.
"""

import argparse
import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from embedded.config import LOOPBACK

_CHUNK_BYTES = 65536
_LOOK_S = 0.1
_BODY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
_UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Relay:
    """One listening address and where its bytes go."""

    listen: str
    target: str
    outage: Path | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self) -> None:
        """Pass bytes until cancelled.

        Raises:
            OSError: the address is taken.
        """
        kind, _, address = self.listen.partition(":")
        if kind == "unix":
            Path(address).unlink(missing_ok=True)
            server = await asyncio.start_unix_server(self._accept, address)
        else:
            server = await asyncio.start_server(self._accept, LOOPBACK, int(address))
        async with server:
            while True:
                await asyncio.sleep(_LOOK_S)
                if self._is_out():
                    self._drop_all()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._is_out():
                await _refuse(reader, writer)
            else:
                await self._pass((reader, writer))
        except OSError:
            return  # either side went away, as on any network; the other side is told by the closed connection
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass(self, near: Pair) -> None:
        far = await _connect(self.target)
        self._open.add(far[1])
        try:
            # One direction may end first: a client that has said all still wants the answer.
            await asyncio.gather(_copy(near[0], far[1]), _copy(far[0], near[1]))
        finally:
            self._open.discard(far[1])
            far[1].close()

    def _is_out(self) -> bool:
        return self.outage is not None and self.outage.exists()

    def _drop_all(self) -> None:
        for writer in self._open:
            writer.transport.abort()


async def _connect(target: str) -> Pair:
    kind, _, address = target.partition(":")
    if kind == "unix":
        return await asyncio.open_unix_connection(address)
    return await asyncio.open_connection(LOOPBACK, int(address))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_UNAVAILABLE)
    await writer.drain()


async def _serve_all(relays: list[Relay]) -> None:
    await asyncio.gather(*(relay.serve() for relay in relays))


def main() -> None:
    """Serve the relays that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="+", metavar="LISTEN=TARGET")
    parser.add_argument("--outage", type=Path)
    asked = parser.parse_args()
    pairs = [pair.partition("=") for pair in asked.pairs]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve_all([Relay(listen, target, asked.outage) for listen, _, target in pairs]))


if __name__ == "__main__":
    main()
