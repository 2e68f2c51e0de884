"""A loopback server that the real client of Neptune 2.x takes for Neptune's.

It proves that what is sent and understood is what the client `neptune` 1.14 sends and understands,
by the operations of the interface that Neptune published. It does not prove how Neptune's own,
closed server behaved: that server is gone, and nothing can prove it any more.

It is strict: a request with a parameter or an operation that the interface does not name, without
what it needs, or without a token is refused, and counted in `Emulator.violations`.
"""
