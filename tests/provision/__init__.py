"""Tests of wizards.provision."""
