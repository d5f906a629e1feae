"""Ask the student that serves a task: ``python examples/call_student.py dev video-search-intent "red cats"``.

It needs the client: ``pip install ./client``.
"""

import sys

from bedrock_student import Student

environment, task, text = sys.argv[1:]
answer = Student(task, environment=environment, tags={"app": "example"}).ask(text)
print(answer.text)
print(f"{answer.leg} of run {answer.run_id}, valid: {answer.valid}, ${answer.usd}", file=sys.stderr)
