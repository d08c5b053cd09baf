#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: rtsp_server.py FILE.ts SECONDS close|bye|stall|mute [PORT]

A camera for one client: RTSP 1.0 on a free port (or PORT) of 127.0.0.1, the MPEG-TS file as interleaved RTP over SECONDS.
Then the connection goes away (close), or it falls silent (stall). bye is a recording: the SDP says how long, an RTCP BYE ends it.
mute accepts the connection and never answers. The first line printed is the port, then one line a request.
It ends by itself: after one client, or after 200 seconds."""
import signal
import socket
import struct
import sys
import time

SSRC = 0x4E505453
PAYLOAD = 7 * 188
SDP = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=test\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\na=control:*\r\n"
       "m=video 0 RTP/AVP 33\r\na=rtpmap:33 MP2T/90000\r\na=control:track0\r\n")


def say(*words):
    print(*words, flush=True)


def read_request(stream):
    """Method and headers (names in lower case) of the next request; None when the client is gone."""
    first = stream.readline(4096).decode("latin-1").split()
    if not first:
        return None, {}
    headers = {}
    while (line := stream.readline(4096).decode("latin-1").strip()):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return first[0], headers


def answer(conn, headers, status="200 OK", extra=(), body=""):
    lines = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *extra]
    if body:
        lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
    conn.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())


def send_stream(conn, data, seconds):
    """Paced by the time that the file lasts; the RTP clock is 90 kHz."""
    start = time.monotonic()
    for seq, at in enumerate(range(0, len(data), PAYLOAD)):
        due = seconds * at / len(data)
        time.sleep(max(0, start + due - time.monotonic()))
        part = data[at:at + PAYLOAD]
        rtp = struct.pack(">BBHII", 0x80, 33, seq & 0xFFFF, int(due * 90000) & 0xFFFFFFFF, SSRC) + part
        conn.sendall(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)


def serve(conn, data, seconds, ending):
    stream = conn.makefile("rb")
    if ending == "mute":
        stream.read()
        return
    session = ["Session: 1234"]
    while True:
        method, headers = read_request(stream)
        if method is None:
            return
        transport = headers.get("transport", "")
        say(method, transport)
        if method == "OPTIONS":
            answer(conn, headers, extra=["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"])
        elif method == "DESCRIBE":
            answer(conn, headers, body=SDP + (f"a=range:npt=0-{seconds:.1f}\r\n" if ending == "bye" else ""))
        elif method == "SETUP" and "RTP/AVP/TCP" not in transport:
            answer(conn, headers, "461 Unsupported Transport")
        elif method == "SETUP":
            answer(conn, headers, extra=session + ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1"])
        elif method == "PLAY":
            answer(conn, headers, extra=session)
            send_stream(conn, data, seconds)
            say("SENT")
            if ending == "bye":
                bye = struct.pack(">BBHI", 0x81, 203, 1, SSRC)
                conn.sendall(struct.pack(">cBH", b"$", 1, len(bye)) + bye)
            if ending == "stall":
                stream.read()
            return
        else:
            answer(conn, headers, extra=session)
            if method == "TEARDOWN":
                return


def main():
    signal.alarm(200)
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    with socket.create_server(("127.0.0.1", int(sys.argv[4]) if len(sys.argv) > 4 else 0)) as server:
        say(server.getsockname()[1])
        conn, _ = server.accept()
    with conn:
        try:
            serve(conn, data, float(sys.argv[2]), sys.argv[3])
        except OSError as e:
            say("GONE", e)


main()
