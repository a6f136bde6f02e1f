"""The version stands apart from `__init__`, so that no module imports the package."""

__version__ = "0.1.0"
