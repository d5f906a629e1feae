"""What an application installs: the package is ``bedrock_student``, built from this folder."""
