"""The generalizability study: what detectors are worth on what they have not seen, what they learnt instead, and why.

After Li, Sun and Poskitt, "How Generalizable are Deepfake Image Detectors? An Empirical Study". ``plan`` says which
trainings and which sets there are, ``work`` trains and keeps what the questions need, ``answers`` turns what is kept
into numbers without touching a photograph, and ``page`` shows them.
"""
