"""Measurements of the running server, with its peers beside it in the same run.

Machines are shared and noisy, so what counts is a ratio inside one run or the CPU time the server
spends per operation. The server and every peer are separate processes on one core; the load, this
process, sits on another and speaks a WebSocket protocol just large enough to count frames
(:mod:`deskbell.bench.frames`, :mod:`deskbell.bench.load`).

The server is a black box on loopback: all that is known of it (routes, configuration keys, frames)
stands in :mod:`deskbell.bench.deskbell_server`. Every measurement is bounded in time and count, and
only processes started here are ended here. Entry: :func:`deskbell.bench.main.run`.
"""
