"""A slow line between a host and the others: frames are handed on, each after its time.

For kernels without netem. ``lab_delay.py forward LINK LINK MS`` hands frames over in both directions;
``lab_delay.py plain LINK`` makes a link compute checksums itself: copied frames need them.
"""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import sys
import time
from collections import deque

_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM = 0x17
_ALL_PROTOCOLS = 0x0003
_OUTGOING = 4  # PACKET_OUTGOING: what this program sent itself
_LARGEST = 65536


def plain(link: str) -> None:
    """Switch off that checksums are left to the other end (and with it that packets are joined)."""
    import array

    value = array.array("B", struct.pack("II", _ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP", link.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCETHTOOL, request)


def forward(first: str, second: str, seconds: float) -> None:
    """Hand frames over until killed."""
    ends = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS)) for _ in range(2)]
    for end, link in zip(ends, (first, second), strict=True):
        end.bind((link, 0))
    waiting: deque[tuple[float, socket.socket, bytes]] = deque()
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for end in select.select(ends, [], [], pause)[0]:
            frame, where = end.recvfrom(_LARGEST)
            if where[2] != _OUTGOING:
                waiting.append((time.monotonic() + seconds, ends[end is ends[0]], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, other, frame = waiting.popleft()
            other.send(frame)


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        plain(sys.argv[2])
    else:
        forward(sys.argv[2], sys.argv[3], float(sys.argv[4]) / 1000)
