"""AWS on this machine: the emulator, the Bedrock simulator, and the real stacks deployed into them."""
