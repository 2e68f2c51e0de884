"""The running service: mirrors brought up to date by the clock, until it is told to stop.

```
 clock ──tick──▶ workers, one thread each ──▶ `once.do_round`, or a task
 signals, control ──▶ main loop: reload, drain, beat       every happening ──▶ observers
```

What else should run by the clock is a `Task`; what wants to know what happens is an `Observer`.
Both are handed to `Service`; neither can stop it.
"""

from mlarchived.service.observing import Observer
from mlarchived.service.service import Service
from mlarchived.service.tasks import Task, Tasks

__all__ = ["Observer", "Service", "Task", "Tasks"]
