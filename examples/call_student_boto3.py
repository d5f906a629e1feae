"""The same with boto3 alone: ``python examples/call_student_boto3.py dev video-search-intent "red cats"``."""

import json
import sys
from typing import Any

import boto3

environment, task, text = sys.argv[1:]
pointer = boto3.client("ssm").get_parameter(Name=f"/distillation/{environment}/{task}/champion")
student = json.loads(pointer["Parameter"]["Value"])
question: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": text}]}]}
if student["system_prompt"]:
    question["system"] = [{"text": student["system_prompt"]}]
settings = student["inference_parameters"]
answer = boto3.client("bedrock-runtime").converse(modelId=student["endpoint_arn"], inferenceConfig=settings, **question)
print(answer["output"]["message"]["content"][0]["text"])
