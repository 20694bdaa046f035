"""Tests of questions, answers, rules and the file."""
