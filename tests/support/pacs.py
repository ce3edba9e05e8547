"""The stand-in PACS."""

from tests.integration.forwarder.pacs import Pacs

__all__ = ["Pacs"]
