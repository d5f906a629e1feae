"""GenerateTeacherData: the teacher answers one shard of the prompts."""
