"""The service seen from outside: metrics, health, a page, messages to others, a sign of life.

All of it observes (`service.Observer`); nothing in it can change what the service does.
"""

from mlarchived.monitoring.board import Board
from mlarchived.monitoring.endpoint import Endpoint
from mlarchived.monitoring.messenger import Messenger

__all__ = ["Board", "Endpoint", "Messenger"]
