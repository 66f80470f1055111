"""A sample workload that really fails: real queues, real workers, a real service that is down."""
