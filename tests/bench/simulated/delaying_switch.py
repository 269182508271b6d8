"""A switch that holds every packet back, for nodes.py where the kernel has no netem.

    python3 tests/bench/simulated/delaying_switch.py MILLISECONDS DEVICE...

Forwards between the named devices until it is ended; prints a line when it has begun. Packets keep what the kernel knows of
them (virtio_net_hdr): segments stay large and checksums unfinished, as between two ends of a veth pair.
"""

import collections
import select
import socket
import struct
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, ETH_P_ALL = 263, 15, 3
PACKET_OUTGOING = 4
VNET_HEADER = 10  # bytes
LARGEST = 1 << 17
AT_ONCE = 64


def open_port(device):
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    port.setsockopt(SOL_PACKET, PACKET_VNET_HDR, struct.pack("i", 1))
    port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 26)
    port.bind((device, ETH_P_ALL))
    port.setblocking(False)
    return port


def main():
    delay = float(sys.argv[1]) / 1e3
    ports = [open_port(device) for device in sys.argv[2:]]
    places = {}  # hardware address: port
    waiting = collections.deque()  # (time, from, packet)
    print("forwarding", flush=True)
    while True:
        patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for port in select.select(ports, [], [], patience)[0]:
            for _ in range(AT_ONCE):
                try:
                    packet, (_, _, kind, *_) = port.recvfrom(LARGEST)
                except BlockingIOError:
                    break
                if kind != PACKET_OUTGOING:
                    waiting.append((time.monotonic() + delay, port, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, source, packet = waiting.popleft()
            frame = packet[VNET_HEADER:]
            places[frame[6:12]] = source
            known = places.get(frame[:6])
            for port in [known] if known else [port for port in ports if port is not source]:
                port.setblocking(True)
                port.send(packet)
                port.setblocking(False)


if __name__ == "__main__":
    main()
