"""Registries, options, errors, devices: what everything else stands on."""
