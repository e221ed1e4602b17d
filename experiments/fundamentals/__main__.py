"""Runs all lessons and writes them to one page."""

from experiments.fundamentals import LESSONS
from experiments.fundamentals.course import run_lessons

if __name__ == "__main__":
    run_lessons(LESSONS)
