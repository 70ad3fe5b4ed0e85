"""A line to PostgreSQL on which the word that a transaction is committed can be held back."""

import socket
import struct
import threading

COMMITTED = b"C" + struct.pack("!i", 4 + len(b"COMMIT\0")) + b"COMMIT\0"  # CommandComplete, as the protocol has it


class HeldBack:
    """Passes everything on, until `hold` is called: the next COMMIT takes effect, and nobody hears of it."""

    def __init__(self, parameters):
        self._parameters = parameters
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._holding = threading.Event()
        self.committed = threading.Event()
        self._ends = []
        threading.Thread(target=self._serve, daemon=True).start()

    def hold(self):
        self._holding.set()

    def close(self):
        self._listening.close()
        for end in self._ends:
            end.close()

    def _serve(self):
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = self._connected()
            self._ends += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _connected(self):
        host, port = self._parameters["host"], self._parameters.get("port") or 5432
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _pass_on(self, source, target, is_from_postgresql):
        try:
            while data := source.recv(65536):
                if is_from_postgresql and self._holding.is_set() and COMMITTED in data:
                    self.committed.set()
                    return  # and neither this nor anything after it arrives
                target.sendall(data)
        except OSError:
            pass
        finally:
            if not self.committed.is_set():
                source.close()
                target.close()
