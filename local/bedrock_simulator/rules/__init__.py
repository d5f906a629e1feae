"""The knowledge of the simulated teachers: one module a task, each with a function ``answer(query)``.

Only a teacher (and a baseline, which is a teacher with noise) may import these modules. A student that did
would know the answers without having learned them, and every figure measured on it would be worthless.
"""
