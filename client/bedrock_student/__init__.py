"""Ask the student that serves a task, with the fallback and the routing that the task's policy allows."""

from bedrock_student.client import Student
from bedrock_student.metrics import Emf, Metrics, Otel
from bedrock_student.policy import Answer, Call, StudentError

__all__ = ["Answer", "Call", "Emf", "Metrics", "Otel", "Student", "StudentError"]
__version__ = "0.1.0"
