"""From what an application has to a task's folder."""
