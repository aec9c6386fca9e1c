"""A guest without a will: hands its wire to the runner that plays it, and lives for as long as the runner wants.

Started by the host that is tested. `CONFORMANCE_SOCKET` is where the runner listens.
"""

import os
import socket

runner = socket.socket(socket.AF_UNIX)
runner.connect(os.environ["CONFORMANCE_SOCKET"])
fds = [int(os.environ["DRAGOMAN_WIRE_FD"])]
socket.send_fds(runner, [os.environ["CONFORMANCE_CASE"].encode()], fds)
os.close(fds[0])
runner.recv(1)
